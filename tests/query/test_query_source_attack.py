"""Guard off, in a tenant's own database: its login sees its rows and leaves nothing."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from benign_questions import statements
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from saying import said_to, shortened
from shop_escapes import calls_in_every_position, reads_of_every_relation, sessions

from meterr.core.errors import MeterrError
from meterr.query import protection
from meterr.query.protection import Address, Credentials, opened
from meterr.query.run import Limits
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.execution import execute
from support import server
from support.shop import ACME, RIVAL, TABLES, Shop, by_tenant, guard, open_shop

LIMITS = Limits(timeout_s=1, cost_max=float("inf"), rows_max=1000)
_OF_RIVAL = f"UUID('{RIVAL}')"


@dataclass
class Attacked:
    """A protected shop, and how its login gets in with nothing of ours around it."""

    shop: Shop
    dsn: str

    def fingerprint(self) -> dict[str, str]:
        """Return a digest of the rows of every table of the shop and of what rights rest on."""
        catalogues = ["pg_class", "pg_attribute", "pg_policy", "pg_proc", "pg_namespace",
                      "pg_auth_members", "pg_roles", "pg_database", "pg_rewrite",
                      "pg_trigger", "pg_type", "pg_extension", "pg_description"]  # fmt: skip
        with self.shop.admin() as admin:
            tables = admin.execute(
                "select format('%I.%I', relnamespace::regnamespace, relname) from pg_class where"
                " relkind = 'r' and relnamespace::regnamespace::text in ('shop', 'meterr_source')"
            ).fetchall()
            return {
                name: str(
                    admin.execute(
                        sql.SQL("select md5(string_agg(t::text, '|' order by t::text)) from {} t")
                        .format(sql.SQL(name))  # type: ignore[arg-type]  # quoted by the server
                    ).fetchone()
                )
                for name in [*catalogues, *(str(name) for (name,) in tables)]
            }  # fmt: skip


@pytest.fixture(scope="module", params=server.every_directory(), ids=lambda path: path.parent.name)
def attacked(request: pytest.FixtureRequest) -> Iterator[Attacked]:
    binaries: Path = request.param
    with (
        server.open_fast(binaries, server.STILL) as running,
        open_shop(running) as shop,
    ):
        credentials = Credentials(
            f"ms_{os.urandom(16).hex()}", SecretStr(os.urandom(16).hex()),
            f"mr_{os.urandom(16).hex()}",
        )  # fmt: skip
        password = credentials.password.get_secret_value()
        with shop.admin() as admin:  # the seed's own policy: for everybody, by a setting
            admin.execute("alter table shop.orders enable row level security")
            admin.execute("create policy own on shop.orders using"
                          " (tenant_id::text = current_setting('app.tenant', true))")  # fmt: skip

        async def protect() -> protection.Protected:
            owner = Address.parse(shop.url().get_secret_value())
            login = Address.parse(shop.url(credentials.user, password).get_secret_value())
            async with opened(owner, guard()) as connection:
                return await protection.protect(
                    connection, by_tenant(), credentials, [shop.owner],
                    lambda: opened(login, guard(), autocommit=True),
                )  # fmt: skip

        refused = asyncio.run(protect())
        assert {"would lose rows"} == {each.kind for each in refused.problems}
        with shop.admin() as admin:  # the application is filtered where it was, and nowhere else
            for table in TABLES:
                if table != "orders":
                    admin.execute(f"revoke all on shop.{table} from {shop.app}".encode())
        done = asyncio.run(protect())
        assert done.applied, done
        yield Attacked(
            shop, make_conninfo(shop.admin_dsn, user=credentials.user, password=password)
        )


@pytest.fixture
def unchanged(attacked: Attacked) -> Iterator[Attacked]:
    """Fails the test when anything in the database is not as it was."""
    before = attacked.fingerprint()
    yield attacked
    after = attacked.fingerprint()
    assert {} == {name: name for name in before if before[name] != after.get(name)}


def told(said: object) -> str:
    """Return what was said without the attack's own text, which an error repeats."""
    return str((said.diag.message_primary or said) if isinstance(said, psycopg.Error) else said)


def foreign(said: object) -> bool:
    return "rival" in told(said) or RIVAL in told(said)


def shows(said: object) -> bool:
    """Tell a row of the rival's from an attack's own text, which errors and settings repeat."""
    return "rival " in told(said) or _OF_RIVAL in told(said)


def test_the_login_sees_its_rows(attacked: Attacked) -> None:
    """Or nothing below would show anything."""
    heard = said_to(attacked.dsn, [f"select count(*) from shop.{name}" for name in TABLES])
    assert [(80,), (40,), (600,), (1200,), (400,)] == heard
    with attacked.shop.admin() as admin:
        rivals = admin.execute("select count(*) from shop.orders where tenant_id = %s", [RIVAL])
        assert (600,) == rivals.fetchone()


def test_no_session_of_several_statements_crosses_or_leaves_anything(unchanged: Attacked) -> None:
    """Issue 5, guard off: roles, settings, cursors, COPY, DO, PREPARE, temporary functions."""
    for session in sessions(unchanged.shop):
        assert [] == [said for said in said_to(unchanged.dsn, session) if shows(said)], session


def test_no_call_crosses_from_any_position(unchanged: Attacked) -> None:
    """Issue 5: set_config and all that is like it, in each place that SQL has for a call."""
    texts = list(calls_in_every_position(unchanged.shop))
    assert len(texts) > 2_500
    heard = said_to(unchanged.dsn, ["reset role", *texts])
    assert [] == [said for said in heard if shows(said)]


def test_no_relation_shows_what_is_not_ones_own(unchanged: Attacked) -> None:
    """Every table, partition, view and catalogue, statistics included."""
    texts = list(reads_of_every_relation(unchanged.shop))
    assert len(texts) > 200
    heard = said_to(unchanged.dsn, texts)
    assert [] == [said for said in heard if foreign(said)]


async def test_what_runs_as_a_question_crosses_nothing_and_leaves_nothing(
    unchanged: Attacked,
) -> None:
    """Every written attack through our own execution, with the guard left out."""
    shop = unchanged.shop
    texts = [shortened(text) for _, text in statements("hostile")]
    texts += [text for session in sessions(shop) for text in session]
    texts += ["select 1) q; set role postgres; select * from (select 1", "select 1; select 2",
              "select 1) q; commit; delete from shop.orders; select (1"]  # fmt: skip
    with shop.admin() as admin:
        large_objects = admin.execute("select count(*) from pg_largeobject_metadata").fetchone()
    answers: list[object] = []
    errors: list[MeterrError] = []
    for text in texts:
        async with QuestionConnection.opened(unchanged.dsn, LIMITS, ("shop",)) as connection:
            try:
                _, rows, _ = await execute(connection, text.encode(), LIMITS)
                answers += rows
            except MeterrError as error:
                errors.append(error)
    assert len(texts) > 350
    assert answers
    assert [] == [row for row in answers if shows(row)]
    with shop.admin() as admin:
        left = admin.execute("select count(*) from pg_largeobject_metadata").fetchone()
    assert large_objects == left
    assert [] == [error for error in errors if foreign(error)]


def test_another_tenants_login_sees_the_others(attacked: Attacked) -> None:
    """The same database, the other way round: not everything is simply hidden."""
    with attacked.shop.admin() as admin:
        admin.execute("update meterr_source.login set tenant_value = %s", [RIVAL])
        heard = said_to(attacked.dsn, ["select note from shop.orders where note is not null"])
        admin.execute("update meterr_source.login set tenant_value = %s", [ACME])
    assert heard
    assert all(foreign(row) for row in heard)
