"""An emergency beside SQL that somebody types by hand meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest

from meterr.identity.model import KeyState
from meterr.identity.rotation import rotate_all
from meterr.identity.rotation.emergency import Emergency
from support.identity import OPERATOR, House, until

HOUR = timedelta(hours=1)
_KEY = """update meterr.api_key set state = 'revoked', revoked_at = now(), for_good = true
           where key_id = %s"""
_CODE = """update meterr.key_succession set code_expires_at = now()
            where key_id = %s and followed_at is null"""
_WAITING = """select exists (select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock')"""


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as opened:
        yield opened


async def strike(house: House, grace: timedelta = timedelta()) -> Emergency:
    return await rotate_all(
        house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR, grace=grace
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [(_KEY, _CODE), (_CODE, _KEY)],
    ids=["the key and its code", "the code and its key"],
)
async def test_sql_by_hand_in_any_order_does_not_stop_an_emergency(
    house: House, admin_dsn: str, first: LiteralString, second: LiteralString
) -> None:
    """P5: issue 4.3: of a deadlock with whoever types SQL the emergency is not the victim."""
    keys = [(await house.key()).record.key_id for _ in range(3)]
    await house.codes((await strike(house, HOUR)).emergency_id)  # they go on, and have open codes
    with psycopg.connect(admin_dsn) as hand, psycopg.connect(admin_dsn, autocommit=True) as look:
        # The emergency waits first, so it is the one that PostgreSQL would end, after a second.
        hand.execute("set deadlock_timeout = '1min'")
        hand.execute(first, [keys[0]])
        struck = asyncio.create_task(strike(house))
        await until(lambda: look.execute(_WAITING).fetchone() == (True,))
        await asyncio.to_thread(hand.execute, second, [keys[0]])
        hand.commit()
        assert 2 == (await struck).keys
    assert {KeyState.REVOKED} == {(await house.record(each)).state for each in keys}
