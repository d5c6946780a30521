"""A shop's own database, with customers of several tenants, and meterr beside it."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, cast

import psycopg
from evaluation.asked import FOLDER
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.http.outbound import AllowList, Guard
from meterr.core.postgres import EmbeddedPostgres
from meterr.query.protection import Protected, Shape, Table
from meterr.query.run import Limits, LoginSessions
from meterr.query.sources import SourceBook, Sources, UsageSources
from meterr.query.walls import TenantLogins
from support import server
from support.rows import row_of
from support.tcp_door import tcp_door
from support.walled import _insert

ACME = "0199aaaa-0000-7000-8000-00000000000a"
"""The tenant of the shop, and of meterr, that asks."""
RIVAL = "0199bbbb-0000-7000-8000-00000000000b"
"""Whose rows nobody else may see. Its texts say "rival"."""
TABLES = ("customers", "products", "orders", "order_items", "events")
KEYS = KeyEncryptionKeys(mint("k1", os.urandom))
PASSWORD = "a password of the shop"

_MORE = """
create table shop.events (
  tenant_id uuid not null, at date not null, what text not null) partition by range (at);
create table shop.events_2025 partition of shop.events
  for values from ('2025-01-01') to ('2026-01-01');
create table shop.events_2026 partition of shop.events
  for values from ('2026-01-01') to ('2027-01-01');
insert into shop.events select t.id, date '2025-06-01' + n, t.mark || 'event'
  from generate_series(1, 400) n, (values ('0199aaaa-0000-7000-8000-00000000000a'::uuid, ''),
       ('0199bbbb-0000-7000-8000-00000000000b', 'rival ')) t (id, mark);
create table shop.secrets (tenant_id uuid not null, word text not null);
insert into shop.secrets select tenant_id, 'rival secret' from shop.orders limit 5;
comment on table shop.orders is 'One row per order.';
comment on column shop.orders.total is 'What the customer pays, in euros.';
"""

_STATE = """
select array(select relname || relrowsecurity || relforcerowsecurity || coalesce(relacl::text, '')
               from pg_class where relnamespace = 'shop'::regnamespace order by 1)::text
    || array(select polname from pg_policy order by 1)::text
    || array(select rolname from pg_roles where rolname ~ '^m[rs]_' order by 1)::text
    || array(select attacl::text from pg_attribute where attacl is not null
                and attrelid::regclass::text like 'shop.%' order by 1)::text
    || coalesce(to_regnamespace('meterr_source')::text, '') as state
"""


@dataclass
class Shop:
    """One database on one server: its owner's ways in, and meterr's."""

    admin_dsn: str
    port: int
    owner: str
    app: str

    def url(self, user: str | None = None, password: str = PASSWORD) -> SecretStr:
        """Return an address for meterr; by default the owner's, who may make roles."""
        database = conninfo_to_dict(self.admin_dsn)["dbname"]
        user = user or self.owner
        word = password.replace(" ", "%20")
        return SecretStr(f"postgresql://{user}:{word}@127.0.0.1:{self.port}/{database}")

    def superuser(self) -> SecretStr:
        parts = conninfo_to_dict(self.admin_dsn)
        return self.url(str(parts["user"]), str(parts["password"]))

    def admin(self) -> psycopg.Connection:
        """Return a session of the superuser's, each statement a transaction."""
        return psycopg.connect(self.admin_dsn, autocommit=True)

    def as_(self, user: str, password: str = PASSWORD) -> psycopg.Connection:
        """Return a session of a login's."""
        return psycopg.connect(
            make_conninfo(self.admin_dsn, user=user, password=password), autocommit=True
        )


def by_tenant(*tables: str, value: str = ACME) -> Shape:
    """Return tables of the shop, in which ``value`` owns rows."""
    chosen = tuple(Table("shop", name) for name in tables or TABLES)
    return Shape(chosen, "tenant_id", value)


@contextmanager
def open_shop(running: EmbeddedPostgres) -> Iterator[Shop]:
    """Make the database of a shop on a server, seen through a TCP port."""
    name = f"shop_{uuid.uuid4().hex}"
    server.create_database(running.admin_dsn, name)
    admin_dsn = make_conninfo(running.admin_dsn, dbname=name)
    owner, app = f"owner_{name}", f"app_{name}"
    with tcp_door(running.admin_dsn) as port:
        _fill(admin_dsn, name, owner, app)
        yield Shop(admin_dsn, port, owner, app)
    server.drop_database(running.admin_dsn, name)


def _fill(admin_dsn: str, name: str, owner: str, app: str) -> None:
    script = (FOLDER / "fill.sql").read_text()
    tables = script[
        script.index("create schema shop;") : script.index("do $$\ndeclare\n  relation")
    ]
    roles = f"""
        create role {owner} login createrole password '{PASSWORD}';
        create role {app} login password '{PASSWORD}';
        alter database {name} owner to {owner};
        alter schema shop owner to {owner};
        grant usage on schema shop to {app};
        do $$ declare r text; begin
          for r in select relname from pg_class
                    where relnamespace = 'shop'::regnamespace and relkind in ('r', 'p') loop
            execute format('alter table shop.%I owner to {owner}', r);
            execute format('grant select, insert, update, delete on shop.%I to {app}', r);
          end loop; end $$"""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        for part in (tables, _MORE, roles):
            admin.execute(cast("LiteralString", part))


@asynccontextmanager
async def open_book(database_url: str, allowed: Guard | None = None) -> AsyncIterator[SourceBook]:
    """Yield meterr's book of sources; loopback is on the operator's list."""
    async with Database.open(database_url, Role.APP, pool_size_max=2) as db:
        data_keys = DataKeys(KEYS, SystemClock())
        yield SourceBook(db, data_keys, allowed or guard(), os.urandom)


@asynccontextmanager
async def open_sources(database_url: str, limits: Limits | None = None) -> AsyncIterator[Sources]:
    limits = limits or Limits()
    async with Database.open(database_url, Role.APP) as db, open_book(database_url) as book:
        data_keys = DataKeys(KEYS, SystemClock())
        logins = LoginSessions(database_url, TenantLogins(db, data_keys, os.urandom), limits)
        yield Sources(UsageSources(db, logins, limits), book, guard(), limits)


def guard() -> Guard:
    return Guard(AllowList.parse(["127.0.0.1"]))


def add_tenants(admin_dsn: str) -> None:
    """Make both tenants in meterr."""
    with psycopg.connect(admin_dsn) as admin:
        for tenant_id in (ACME, RIVAL):
            _insert(admin, "tenant", row_of("tenant", tenant_id))


def binaries() -> list[Path]:
    return server.every_directory()


def state(shop: Shop) -> str:
    with shop.admin() as admin:
        row = admin.execute(_STATE).fetchone()
        return str(row and row[0])


def count(session: psycopg.Connection, table: str = "orders") -> int:
    row = session.execute(f"select count(*) from shop.{table}".encode()).fetchone()
    return int(row[0]) if row else -1


async def protected(
    book: SourceBook,
    shop: Shop,
    shape: Shape | None = None,
    keep: list[str] | None = None,
    url: SecretStr | None = None,
) -> Protected:
    await book.add(ACME, "shop", url or shop.url(), shape or by_tenant(), created_by="a test")
    kept = [shop.owner, shop.app] if keep is None else keep
    return await book.protect(ACME, "shop", keep=kept, apply=True)


def names(done: Protected) -> set[tuple[str, str]]:
    return {(problem.kind, problem.name) for problem in done.problems}


def columns_of(*tables: Table) -> Shape:
    """Return chosen columns of tables in which ACME owns rows."""
    return Shape(tables, "tenant_id", ACME)
