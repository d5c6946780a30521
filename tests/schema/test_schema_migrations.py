"""Forward-only migrations: applied once, in order, refused when anything does not fit."""

import asyncio
import multiprocessing
from dataclasses import replace
from importlib import resources
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.db import DatabaseUnavailable
from meterr.core.migrate import Applied, SchemaMismatch, check, migrate, pending, read_migrations
from meterr.core.postgres import EmbeddedPostgres
from support import server
from support.catalogue import snapshot

ALL = [migration.name for migration in read_migrations()]


def as_admin(postgres: EmbeddedPostgres, dsn: str) -> psycopg.Connection:
    """Connect as superuser to the database of ``dsn``."""
    name = conninfo_to_dict(dsn)["dbname"]
    return psycopg.connect(make_conninfo(postgres.admin_dsn, dbname=name), autocommit=True)


def schema_file(name: str) -> str:
    return resources.files("meterr.schema").joinpath(name).read_text(encoding="utf-8")


async def test_the_migrations_build_exactly_what_schema_sql_says(
    postgres: EmbeddedPostgres, empty_database_url: str, database_url: str
) -> None:
    """Issue 2, item 4: one database from schema.sql, one from the migrations, no difference."""
    with as_admin(postgres, empty_database_url) as connection:
        connection.execute("select set_config('meterr.login', 'meterr', false)")
        connection.execute(schema_file("roles.sql"))
        connection.execute("set role meterr_owner")
        connection.execute(schema_file("schema.sql"))

    described, migrated = snapshot(empty_database_url), snapshot(database_url)

    assert len(migrated) > 100
    assert described == migrated


async def test_a_second_run_changes_nothing(empty_database_url: str) -> None:
    """DESIGN 6: migrating is idempotent."""
    assert ALL == await migrate(empty_database_url)
    before = snapshot(empty_database_url)

    assert [] == await migrate(empty_database_url)

    assert before == snapshot(empty_database_url)
    await check(empty_database_url)


def migrate_into(dsn: str, queue: "multiprocessing.Queue[list[str]]") -> None:
    queue.put(asyncio.run(migrate(dsn)))


def test_processes_that_start_together_take_turns(empty_database_url: str) -> None:
    """Issue 2, item 4: under an advisory lock; both succeed and each migration is applied once."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[list[str]] = context.Queue()
    processes = [
        context.Process(target=migrate_into, args=(empty_database_url, queue)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    applied = [name for _ in processes for name in queue.get(timeout=60)]
    for process in processes:
        process.join()

    assert [0, 0, 0] == [process.exitcode for process in processes]
    assert ALL == sorted(applied)
    asyncio.run(check(empty_database_url))


async def test_an_edited_migration_is_refused(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    """Issue 2, item 4: refused on mismatch."""
    with as_admin(postgres, database_url) as connection:
        connection.execute("update meterr.schema_migration set sha256 = repeat('0', 64)")

    for refuses in (migrate, check):
        with pytest.raises(SchemaMismatch, match="0001_foundation was applied with another"):
            await refuses(database_url)


async def test_a_database_newer_than_the_code_is_refused(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    """Migrations never go back."""
    with as_admin(postgres, database_url) as connection:
        connection.execute(
            "insert into meterr.schema_migration values (9999, '9999_future', repeat('a', 64))"
        )

    for refuses in (migrate, check):
        with pytest.raises(SchemaMismatch, match="at version 9999, newer than this meterr"):
            await refuses(database_url)


async def test_starting_on_a_database_without_schema_is_refused_by_name(
    empty_database_url: str,
) -> None:
    """The start says what is missing instead of failing at the first request."""
    with pytest.raises(SchemaMismatch, match=r"version 0 .* 0001_foundation not applied"):
        await check(empty_database_url)


def test_a_gap_in_what_was_applied_is_refused() -> None:
    """A version that is missing in the middle means that nobody knows what this database is."""
    first = read_migrations()[0]
    known = (first, replace(first, version=2, name="0002_b"), replace(first, version=3, name="c"))
    third = Applied(3, "c", first.sha256)

    with pytest.raises(SchemaMismatch, match="lacks migration 2"):
        pending(known, [Applied(1, first.name, first.sha256), third])


def test_what_is_left_is_applied_in_order() -> None:
    """The positive side of the rules above."""
    first = read_migrations()[0]
    second = replace(first, version=2, name="0002_b")

    assert [first, second] == list(pending((first, second), []))
    assert [second] == list(pending((first, second), [Applied(1, first.name, first.sha256)]))


async def test_a_failing_migration_leaves_no_trace(
    postgres: EmbeddedPostgres, empty_database_url: str
) -> None:
    """Each migration is its own transaction."""
    name = conninfo_to_dict(empty_database_url)["dbname"]
    with as_admin(postgres, empty_database_url) as connection:
        connection.execute("create schema meterr authorization meterr_owner")
        connection.execute(f"grant create on database {name} to meterr_owner")

    with pytest.raises(
        SchemaMismatch, match=r'schema "meterr" already exists. The step was undone'
    ):
        await migrate(empty_database_url)

    assert ["schema meterr"] == list(snapshot(empty_database_url))


async def test_a_login_that_may_not_prepare_the_database_is_told_what_to_do(
    postgres: EmbeddedPostgres,
) -> None:
    """An ordinary login on a server that no administrator has prepared."""
    name = "somebody_elses"
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as connection:
        connection.execute("create role stranger login password 'stranger'")
    server.create_database(postgres.admin_dsn, name)
    try:
        stranger = make_conninfo(postgres.dsn, user="stranger", password="stranger", dbname=name)
        with pytest.raises(SchemaMismatch, match="Let an administrator run"):
            await migrate(stranger)
    finally:
        server.drop_database(postgres.admin_dsn, name)
        with psycopg.connect(postgres.admin_dsn, autocommit=True) as connection:
            connection.execute("drop role stranger")


async def test_no_server_is_an_outage_and_no_mismatch(tmp_path: Path) -> None:
    """Callers retry the one and stop at the other."""
    for refuses in (migrate, check):
        with pytest.raises(DatabaseUnavailable) as caught:
            await refuses(f"host={tmp_path} user=meterr dbname=meterr")
        assert caught.value.server_absent
