"""What "ready" means: the very first call is served."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.load import CHAT, MESSAGES, Seen, call
from support.meterr_house import House, open_house


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        yield running


async def at_once(house: House, count: int) -> list[Seen]:
    calls = (call(house.base_url, house.key, kind, (1, 1), {}) for kind in [CHAT, MESSAGES] * count)
    return await asyncio.gather(*calls)


def test_no_call_is_refused_because_a_process_has_just_started(house: House) -> None:
    """P2: prices are read before the first call is taken; callers in the queue wait for it."""
    seen = asyncio.run(at_once(house, 5))
    killed = house.gateway_pid
    house.kill_gateway()
    seen += asyncio.run(at_once(house, 5))
    house.wait_for_restart(killed)
    seen += asyncio.run(at_once(house, 5))

    assert [200] * 30 == [each.status for each in seen]
