"""The provider dies between and inside calls: nothing is ever sent twice."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.load import CHAT, KINDS, Load, Seen, call
from support.meterr_house import House, open_house, start, stop
from support.witness import (
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

QUIET = '[log]\nrequests = "none"\n'


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=QUIET) as running:
        yield running


def end_provider(house: House) -> None:
    house.simulator.popen.kill()
    stop(house.simulator)


def start_provider(house: House) -> None:
    """Start the simulator on the same port, with the same log."""
    port = str(urlsplit(house.simulator_url).port)
    arguments = ["simulator", "--port", port, "--call-log", str(house.call_log)]
    house.simulator = start(arguments, house.environment)
    house.simulator.wait_for(r"(http://[^ ]*\d)")


async def at_once(house: House, count: int, pace: dict[str, int]) -> list[Seen]:
    calls = (call(house.base_url, house.key, CHAT, (9, 3), pace) for _ in range(count))
    return await asyncio.gather(*calls)


def test_connections_gone_stale_between_calls_cost_no_call(house: House) -> None:
    """P2, P8: kept-alive connections of a provider that restarted are passed over, not tried."""
    seen = asyncio.run(at_once(house, 20, {"delay_ms": 200}))
    for _ in range(3):
        end_provider(house)
        start_provider(house)
        seen += asyncio.run(at_once(house, 20, {"delay_ms": 200}))
    house.until(lambda: not undrained(house))

    found = audit(house)
    assert [200] * 80 == [each.status for each in seen]
    assert_nothing_lost_and_nothing_twice(found)
    assert {} == found.never_left
    assert [] == assert_settled_exactly(found, seen)


def test_a_provider_killed_under_load_is_told_cleanly_and_nothing_is_sent_twice(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: what may have arrived is charged by estimate, what did not costs nothing."""
    with Load(lambda: house.base_url, house.key, seed=first_seed, kinds=KINDS) as load:
        for _ in range(6):
            more = len(load.seen) + 100
            house.until(lambda more=more: len(load.seen) > more)
            end_provider(house)
            more = len(load.seen) + 60
            house.until(lambda more=more: len(load.seen) > more)
            start_provider(house)
        more = load.whole + 100
        house.until(lambda: load.whole > more)
    house.until(lambda: not undrained(house))

    found = audit(house)
    assert {200, 502} == set(load.statuses())
    assert_nothing_lost_and_nothing_twice(found)
    assert [] == assert_settled_exactly(found, load.seen)
    assert {} == found.of("interrupted")
    for entry in found.never_left.values():
        assert ("settled", "upstream_error") == (entry["state"], entry["outcome"])
        assert entry["estimate"] or Decimal(0) == entry["cost_usd"]
    guessed = sum(bool(entry["estimate"]) for entry in found.never_left.values())
    tell(f"{len(found.received)} received, {len(found.never_left)} entries of calls that were not")
    tell(f"of these {guessed} were written to a dying connection and are charged by estimate")
