"""Looking a key up: by all of it, and a known bad one like one that nobody knows."""

import asyncio

import psycopg

from meterr.identity import Environment, KeyRefused, revoke_key
from meterr.identity.model import Reason
from support.identity import House, outcome, until

SHOWN = len("sk-meterr_live_") + 1


async def test_each_of_200_keys_is_found_as_itself(database_url: str) -> None:
    """S1:142, S1:151-155: by the first 16 characters there, so 184 of 200 keys were refused."""
    async with House.open(database_url) as house:
        keys = [await house.key(name=f"k{number}") for number in range(200)]
        keys += [await house.key(environment=Environment.TEST)]
        assert 63 >= len({key.secret.reveal()[:SHOWN] for key in keys})
        async with house.process() as process:
            for key in keys:
                cold = await process.authenticate(key.secret.presented)
                assert key.record.key_id == cold.key_id
            for key in keys:
                warm = process.warm(key.secret.presented)
                assert warm is not None
                assert key.record.key_id == warm.key_id


def readers_that_wait(admin: psycopg.Connection) -> int:
    """Count the look-ups that wait for a lock: PostgreSQL's own word for it."""
    row = admin.execute(
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = 'meterr meterr_auth' and wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_remembered_bad_key_takes_the_way_of_a_stranger(
    database_url: str, admin_dsn: str
) -> None:
    """S1:157: 0.016 ms against 449 ms told there which keys exist; here both are looked up."""
    async with House.open(database_url) as house:
        key = await house.key()
        async with house.process() as process:
            await process.authenticate(key.secret.presented)
            await revoke_key(house.db, house.tenant_id, key.record.key_id)
            await until(lambda: process.warm(key.secret.presented) is None)
            with psycopg.connect(admin_dsn) as admin:
                admin.execute("lock table meterr.api_key in access exclusive mode")
                asked = asyncio.create_task(outcome(process.authenticate(key.secret.presented)))
                await until(lambda: readers_that_wait(admin) == 1)
                assert not asked.done()
            refused = await asked
    assert isinstance(refused, KeyRefused)
    assert Reason.REVOKED is refused.reason
