"""Every PostgreSQL this machine has: roles made by whoever may, migrations, the same walls."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from meterr.core.migrate import SchemaMismatch, check, migrate
from meterr.core.postgres import EmbeddedPostgres
from support import server
from support.catalogue import snapshot
from support.rows import TENANT_TABLES, fill

ROLES = ("meterr_owner", "meterr_app", "meterr_auth", "meterr_drain", "meterr_identity")
A = "0199aaaa-0000-7000-8000-00000000000a"
B = "0199bbbb-0000-7000-8000-00000000000b"
DIRECTORIES = [*server.every_directory()]


@pytest.fixture(scope="module", params=DIRECTORIES, ids=str)
def bare(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """A server of one version, on which meterr has never been: no roles, no database."""
    with server.open_fast(request.param) as running:
        yield running


@pytest.fixture
def untouched(bare: EmbeddedPostgres) -> EmbeddedPostgres:
    """The same server, with roles and databases of earlier tests gone."""
    with psycopg.connect(bare.admin_dsn, autocommit=True) as admin:
        for name in ("meterr", "shop", "shop2"):
            admin.execute(f"drop database if exists {name}")
        for role in (*ROLES, "meterr_reader", "shop"):
            admin.execute(f"drop role if exists {role}")
    return bare


def hand_out(server: EmbeddedPostgres, attributes: str) -> str:
    """Create a login and a database that it owns, as a managed service would; return its DSN."""
    with psycopg.connect(server.admin_dsn, autocommit=True) as admin:
        admin.execute(f"create role shop login password 'shop' {attributes}")
        admin.execute("create database shop owner shop")
    return make_conninfo(server.dsn, user="shop", password="shop", dbname="shop")


@pytest.mark.parametrize("attributes", ["superuser", "createrole", "createrole noinherit"])
async def test_a_login_that_may_create_roles_prepares_everything_itself(
    untouched: EmbeddedPostgres, attributes: str
) -> None:
    """METERR_DATABASE_URL works with any PostgreSQL >= 15, superuser or not."""
    dsn = hand_out(untouched, attributes)

    assert ["0001_foundation"] == (await migrate(dsn))[:1]
    assert [] == await migrate(dsn)
    await check(dsn)
    for role in ROLES:
        with psycopg.connect(dsn, options=f"-c role={role}") as connection:
            assert (role,) == connection.execute("select current_user::text").fetchone()


async def test_an_ordinary_login_works_once_an_administrator_has_run_roles_sql(
    untouched: EmbeddedPostgres,
) -> None:
    """The least a login can be."""
    dsn = hand_out(untouched, "noinherit")
    with pytest.raises(SchemaMismatch, match=r"Let an administrator run schema/roles\.sql"):
        await migrate(dsn)

    as_admin = make_conninfo(untouched.admin_dsn, dbname="shop")
    with psycopg.connect(as_admin, autocommit=True) as admin:
        admin.execute("select set_config('meterr.login', 'shop', false)")
        admin.execute(server.roles_sql())

    assert ["0001_foundation"] == (await migrate(dsn))[:1]
    await check(dsn)


async def test_two_databases_of_one_server_may_be_prepared_at_once(
    untouched: EmbeddedPostgres,
) -> None:
    """Roles belong to the server, the advisory lock to a database: the race is settled by hand."""
    dsn = hand_out(untouched, "createrole")
    with psycopg.connect(untouched.admin_dsn, autocommit=True) as admin:
        admin.execute("create database shop2 owner shop")
    both = (dsn, make_conninfo(dsn, dbname="shop2"))

    first, second = await asyncio.gather(*map(migrate, both))

    assert first == second
    await asyncio.gather(*map(check, both))


async def test_a_role_that_could_bypass_the_walls_is_refused(untouched: EmbeddedPostgres) -> None:
    """Somebody made meterr_app before us, and made it too strong."""
    dsn = hand_out(untouched, "superuser")
    with psycopg.connect(untouched.admin_dsn, autocommit=True) as admin:
        admin.execute("create role meterr_app bypassrls")

    with pytest.raises(SchemaMismatch, match="role meterr_app may log in, create roles or bypass"):
        await migrate(dsn)


async def test_another_encoding_is_refused(untouched: EmbeddedPostgres) -> None:
    """Text of any language must fit; there is no way to convert it later."""
    with psycopg.connect(untouched.admin_dsn, autocommit=True) as admin:
        admin.execute("create database shop template template0 encoding 'LATIN1'")

    with pytest.raises(SchemaMismatch, match="encoding UTF8, this one has LATIN1"):
        await migrate(make_conninfo(untouched.admin_dsn, dbname="shop"))


async def test_the_walls_stand_on_every_version(untouched: EmbeddedPostgres) -> None:
    """P4 in short; the long form runs on the newest version."""
    dsn = hand_out(untouched, "createrole")
    await migrate(dsn)
    with psycopg.connect(make_conninfo(untouched.admin_dsn, dbname="shop")) as admin:
        for tenant_id in (A, B):
            fill(admin, tenant_id)

    for table in TENANT_TABLES:
        query = f"select distinct tenant_id::text from meterr.{table}"
        with psycopg.connect(dsn, options="-c role=meterr_app") as connection:
            assert [] == connection.execute(query).fetchall()
            connection.execute("select set_config('meterr.tenant_id', %s, true)", [A])
            assert [(A,)] == connection.execute(query).fetchall()


@pytest.mark.skipif(len(DIRECTORIES) < 2, reason="this machine has one PostgreSQL")
def test_the_catalogue_is_the_same_on_two_versions_in_all_that_we_wrote() -> None:
    """Tables, columns, policies and functions do not depend on the server's version."""
    kinds = ("policy ", "function ", "trigger ", "column ")
    found = []
    for directory in (DIRECTORIES[0], DIRECTORIES[-1]):
        with server.open_fast(directory) as running:
            asyncio.run(migrate(running.dsn))
            everything = snapshot(running.dsn)
            found.append({k: v for k, v in everything.items() if k.startswith(kinds)})
    assert found[0] == found[1]
