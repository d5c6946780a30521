"""What "ready" means: the very first call is served."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meterr.core.limits import Measure
from support.limits import set_rule
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


def test_prices_that_cannot_be_read_are_told_and_tried_again(house: House) -> None:
    """P1: no call leaves without prices, and what was wrong with them heals without a restart."""
    right = "select on meterr.price_override {} meterr_app"
    with psycopg.connect(house.admin_dsn, autocommit=True) as admin:
        admin.execute("revoke " + right.format("from"))
        killed = house.gateway_pid
        house.kill_gateway()
        house.wait_for_restart(killed)
        refused = asyncio.run(at_once(house, 1))
        house.meterr.wait_for('"unexpected_error".*"price overrides"')
        admin.execute("grant " + right.format("to"))

    assert [503, 503] == [each.status for each in refused]
    house.until(lambda: house.look("/readyz")[0] == 200)
    assert [200, 200] == [each.status for each in asyncio.run(at_once(house, 1))]


def test_a_process_that_was_given_up_says_so_and_lets_nothing_through(house: House) -> None:
    """P3: others have what it held; it fails closed until it is restarted under another name."""
    set_rule(house, Measure.USD, "1000")
    with psycopg.connect(house.admin_dsn, autocommit=True) as admin:
        assert [200, 200] == [each.status for each in asyncio.run(at_once(house, 1))]
        admin.execute("select meterr.close_process(process) from meterr.limit_process")
        house.until(lambda: house.look("/readyz")[0] == 503)
    assert "released" in house.look("/readyz")[1]["limits"]
    assert [503, 503] == [each.status for each in asyncio.run(at_once(house, 1))]

    killed = house.gateway_pid
    house.kill_gateway()
    house.wait_for_restart(killed)
    assert [200, 200] == [each.status for each in asyncio.run(at_once(house, 1))]
