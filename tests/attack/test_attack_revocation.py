"""A key revoked in the database is refused by the gateway at once."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meterr import identity
from meterr.core.db import Database, Role
from support.load import CHAT, call
from support.meterr_house import House, open_house

pytestmark = pytest.mark.attack

KEYS = 40
DEADLINE_S = 1.0


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        yield running


async def seconds_until_refused(house: House, db: Database, secret: str, key_id: str) -> float:
    """Revoke a warm key and ask with it until it is refused."""
    assert (await call(house.base_url, secret, CHAT, (1, 1), {})).status == 200
    await identity.revoke_key(db, house.tenant_id, key_id)
    revoked = time.monotonic()
    while True:
        sent = time.monotonic()  # what counts is when a call was sent that still passed
        if (await call(house.base_url, secret, CHAT, (1, 1), {})).status != 200:
            return sent - revoked
        assert sent < revoked + DEADLINE_S


async def revoke_all(house: House, keys: list[tuple[str, str]]) -> list[float]:
    async with Database.open(house.database_url, Role.APP) as db:
        return sorted([await seconds_until_refused(house, db, *key) for key in keys])


def test_a_revoked_key_is_refused_well_within_a_second(
    house: House, tell: Callable[[str], None]
) -> None:
    """P5: 250 ms is the promise; the deadline here leaves room for a busy machine."""
    keys = [house.new_key_with_id(name=f"key {number}") for number in range(KEYS)]

    took = asyncio.run(revoke_all(house, keys))

    assert KEYS == len(took)
    tell(f"p50 {took[KEYS // 2] * 1000:.0f} ms, max {took[-1] * 1000:.0f} ms over {KEYS} keys")
