"""Looking a key up: by all of it, and as slowly for a known bad one as for one nobody knows."""

import asyncio
import os

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.identity import Environment
from meterr.identity.lookup import Lookup
from meterr.identity.snapshot import Snapshot
from support.identity import House

SHOWN = len("sk-meterr_live_") + 1


class SlowClock(SystemClock):
    """A clock by which every reading of it comes 0.2 s after the one before."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        self.now_s += 0.2
        return self.now_s


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


async def test_a_remembered_bad_key_is_told_no_sooner_than_a_stranger(database_url: str) -> None:
    """S1:157: 0.016 ms against 449 ms told there which keys exist; from the first stranger on."""
    order: list[str] = []

    async def remembered(lookup: Lookup) -> None:
        await lookup.pause_as_for_a_stranger()
        order.append("remembered")

    async def less_than_a_stranger_took() -> None:
        await asyncio.sleep(0.3)
        order.append("earlier")

    async with Database.open(database_url, Role.AUTH) as db:
        lookup = Lookup(db, Snapshot(), SlowClock())
        assert {} == await lookup.ask([os.urandom(32)])  # 0.4 s by that clock
        await asyncio.gather(remembered(lookup), less_than_a_stranger_took())
    assert ["earlier", "remembered"] == order
