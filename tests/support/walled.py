"""A database with its walls up: two tenants, their rows, and the login of one of them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from meterr.query.run import Limits, LoginSessions, Runner, UsageSource
from meterr.query.walls import Hardening, TenantLogins, harden
from support import server
from support.rows import row_of

A = "0199aaaa-0000-7000-8000-00000000000a"
B = "0199bbbb-0000-7000-8000-00000000000b"
CANARY = "foreign-row-of-b"
ROWS = 40
KEYS = KeyEncryptionKeys(mint("k1", os.urandom))

_STATE = """
    select c.oid::regclass::text as name from pg_class c
     where c.relkind in ('r', 'p', 'S') and c.relnamespace in (
       'meterr'::regnamespace, 'pg_catalog'::regnamespace, to_regnamespace('usage'),
       to_regnamespace('public'), to_regnamespace('meterr_walls'))
       and c.relname not in ('pg_statistic', 'pg_statistic_ext_data')
"""


@dataclass
class Walled:
    """A server of one version, and the ways into its one database of meterr."""

    server: EmbeddedPostgres
    hardening: Hardening | None = None
    tenants: dict[str, str] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        return self.server.dsn

    @property
    def admin_dsn(self) -> str:
        return self.server.database_admin_dsn

    def as_tenant(self, tenant_id: str = A) -> str:
        """Return how a tenant's login gets in, with nothing of ours around it."""
        return self.tenants[tenant_id]

    async def make_logins(self) -> None:
        """Make the logins of both tenants, by meterr's own code."""
        async with self.logins() as logins:
            for tenant_id in (A, B):
                login = await logins.login_of(tenant_id)
                password = login.password.get_secret_value()
                named = make_conninfo(self.dsn, user=login.role_name, password=password)
                self.tenants[tenant_id] = named

    @asynccontextmanager
    async def logins(self) -> AsyncIterator[TenantLogins]:
        async with Database.open(self.dsn, Role.APP, pool_size_max=2) as db:
            yield TenantLogins(db, DataKeys(KEYS, SystemClock()), os.urandom)

    @asynccontextmanager
    async def runner(self, limits: Limits | None = None) -> AsyncIterator[Runner]:
        limits = limits or Limits()
        async with self.logins() as logins, Database.open(self.dsn, Role.APP) as db:
            source = await UsageSource.read(db)
            yield Runner(source, LoginSessions(self.dsn, logins, limits), limits)

    def fingerprint(self) -> dict[str, str]:
        """Return a digest of the rows of every table and sequence, catalogues included."""
        found = {}
        with psycopg.connect(self.admin_dsn, autocommit=True) as admin:
            admin.execute("set row_security = off")
            names = [str(name) for (name,) in admin.execute(_STATE).fetchall()]
            for name in names:
                statement = sql.SQL(
                    "select md5(coalesce(string_agg(t::text, '|' order by t::text), ''))"
                    " from (select * from {}) t"
                ).format(sql.SQL(name))  # type: ignore[arg-type]  # a name that the server quoted
                row = admin.execute(statement).fetchone()
                found[name] = str(row and row[0])
            row = admin.execute("select count(*) from pg_largeobject_metadata").fetchone()
            found["large objects"] = str(row)
            locks = admin.execute("select count(*) from pg_locks where locktype = 'advisory'")
            found["advisory locks"] = str(locks.fetchone())
        return found


def fill(admin_dsn: str) -> None:
    """Give both tenants rows in every table that questions reach; B's carry a canary."""
    with psycopg.connect(admin_dsn) as admin:
        for tenant_id, word in ((A, "own"), (B, CANARY)):
            _insert(admin, "tenant", row_of("tenant", tenant_id))
            key = {**row_of("api_key", tenant_id), "name": word, "owner": word}
            _insert(admin, "api_key", key)
            _insert(admin, "key_use", row_of("key_use", tenant_id))
            rule = {**row_of("limit_rule", tenant_id), "subject": word}
            _insert(admin, "limit_rule", rule)
            pool = {**row_of("limit_pool", tenant_id), "limit_id": rule["limit_id"]}
            _insert(admin, "limit_pool", pool)
            for table in ("usage_hour", "usage_day"):
                _insert(admin, table, {**row_of(table, tenant_id), "model": word})
            for _ in range(ROWS):
                entry = {**row_of("ledger_entry", tenant_id), "model": word, "input": 7}
                _insert(admin, "ledger_entry", entry)
        admin.execute("set role meterr_drain")
        admin.execute("select meterr.ensure_ledger_partitions('2026-11-20', '2026-11-25')")


def _insert(admin: psycopg.Connection, table: str, row: dict[str, object]) -> None:
    admin.execute(
        sql.SQL("insert into meterr.{} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


@contextmanager
def open_walled(binaries: Path | None, *, hardened: bool = True) -> Iterator[Walled]:
    """Start a server, migrate and fill its database, and put the walls up."""
    with server.open_fast(binaries, server.STILL) as running:
        asyncio.run(migrate(running.dsn))
        fill(running.database_admin_dsn)
        walled = Walled(running)
        if hardened:
            walled.hardening = asyncio.run(harden(running.database_admin_dsn, apply=True))
            asyncio.run(walled.make_logins())
        yield walled
