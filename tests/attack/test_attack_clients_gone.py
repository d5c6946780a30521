"""Clients that leave at random moments: what the provider did is paid and entered."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.load import KINDS, call
from support.meterr_house import House, open_house
from support.witness import assert_nothing_lost_and_nothing_twice, audit, undrained

pytestmark = pytest.mark.attack

CALLS = 600
AT_ONCE = 40


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        yield running


async def abandon(house: House, chance: random.Random, gate: asyncio.Semaphore) -> None:
    """Make a call that takes some 100 ms, and leave it within that time, or not at all."""
    kind = chance.choice(KINDS)
    pace = {"delay_ms": chance.choice((0, 50)), "chunk_delay_ms": chance.choice((5, 15))}
    async with gate:
        with suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0, 0.6)):
                await call(house.base_url, house.key, kind, (1234, 56), pace)


async def abandon_all(house: House, seed: int) -> None:
    chance, gate = random.Random(seed), asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(abandon(house, chance, gate) for _ in range(CALLS)))


def test_a_call_whose_client_left_costs_exactly_what_the_provider_reported(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P1, P2: hanging up makes no token free, and none is guessed while the provider answers."""
    for seed in range(first_seed, first_seed + 10):  # a slow machine gets fewer under way at once
        asyncio.run(abandon_all(house, seed))
        if len(house.received()) > CALLS // 3:
            break
    house.until(lambda: house.look("/readyz")[1]["open_calls"] == 0)
    house.until(lambda: not undrained(house))

    found = audit(house)

    assert len(found.received) > CALLS // 3
    assert_nothing_lost_and_nothing_twice(found)
    assert {} == found.never_left
    assert {("settled", 1234, "")} == {
        (entry["state"], entry["input"], entry["estimate"]) for entry in found.entries.values()
    }
    assert {0, 56} == {entry["output"] for entry in found.entries.values()}
    gone = sum(entry["outcome"] == "client_gone" for entry in found.entries.values())
    tell(f"{len(found.received)} received, {gone} of these left by their client")
