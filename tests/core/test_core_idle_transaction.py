"""A transaction whose process says nothing must not stop everybody else."""

import psycopg
import pytest

from meterr.core.db import Database, DatabaseUnavailable, Role


async def fall_silent(db: Database, admin_dsn: str) -> None:
    """Say nothing in a transaction until the server has ended it; then go on."""
    async with db.transaction() as connection:
        await connection.execute("select 1")
        pid = connection.info.backend_pid
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            while admin.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone():
                pass
        await connection.execute("select 1")


async def test_a_silent_transaction_is_ended_by_the_server(
    database_url: str, admin_dsn: str
) -> None:
    """P3: a paused process, or a host that is gone, lets go of what it locked."""
    async with Database.open(database_url, Role.APP, idle_transaction_s=0.2) as db:
        with pytest.raises(DatabaseUnavailable):
            await fall_silent(db, admin_dsn)

        async with db.transaction() as connection:
            row = await (await connection.execute("select 1")).fetchone()
    assert (1,) == row


async def test_others_may_be_silent_for_as_long_as_they_like(database_url: str) -> None:
    """An export reads for minutes; only who asks for the bound has it."""
    async with Database.open(database_url, Role.APP) as db, db.transaction() as connection:
        row = await (
            await connection.execute("show idle_in_transaction_session_timeout")
        ).fetchone()

    assert ("0",) == row
