"""Requests per minute over several processes, by the provider's own log."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import limit_books
from support.load import CHAT, call
from support.meterr_house import House, open_house
from support.spenders import Spenders, Spending

pytestmark = [pytest.mark.attack, pytest.mark.timeout(300)]

WORKERS = 4
PER_MINUTE = 60
UNREACHED = 100_000
CALLS_PER_WORKER = 10
WINDOW_MS = 59_500
# Past the first minute, so that what comes back then is seen coming back.
LASTS_S = 65.0
CONFIG = f'[log]\nrequests = "none"\n[server]\nworkers = {WORKERS}\n'


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=CONFIG) as running:
        yield running


def most_in_a_window(times_ms: list[int]) -> int:
    """Return the most moments that any half-open window of WINDOW_MS holds; slow and certain."""
    return max(
        sum(begin <= each < begin + WINDOW_MS for each in times_ms) for begin in [0, *times_ms]
    )


def limit_key(house: House, key_id: str, per_minute: int) -> None:
    limit_books.set_limit(
        house.admin_dsn,
        house.tenant_id,
        measure="requests",
        span="minute",
        amount=per_minute,
        scope="key",
        subject=key_id,
    )


async def all_know_the_limit(house: House, key: str, per_minute: int) -> bool:
    """Call often enough to reach every process; this also gets their first calls behind them."""
    seen = [
        await call(house.base_url, key, CHAT, (1, 1), {}) for _ in range(WORKERS * CALLS_PER_WORKER)
    ]
    return all(each.headers.get("x-ratelimit-limit-requests") == str(per_minute) for each in seen)


def test_a_burst_gets_sixty_a_minute_and_never_one_more(
    house: House, tell: Callable[[str], None]
) -> None:
    """P3: a true sliding minute; no doubling at a window's edge, nor by many processes."""
    limit_key(house, house.key_id, PER_MINUTE)
    # Changes are heard in their order: who knows of the second key's limit knows of the first's.
    other_key, other_id = house.new_key_with_id()
    limit_key(house, other_id, UNREACHED)
    house.until(lambda: asyncio.run(all_know_the_limit(house, other_key, UNREACHED)))
    before = len(house.received())
    spending = Spending(kind=CHAT, prompt=1, answer_min=1, answer_max=1)
    ends = time.monotonic() + LASTS_S
    with Spenders(house.base_url, house.key, spending, seed=60, callers=16) as spenders:
        house.until(lambda: time.monotonic() >= ends, timeout_s=2 * LASTS_S)

    times = sorted(each["at_unix_ms"] for each in house.received()[before:])
    first_minute = [each for each in times if each < times[0] + 60_000]
    refused = [each for each in spenders.seen if each.status == 429]
    assert {200, 429} == spenders.statuses().keys()
    assert PER_MINUTE <= len(first_minute)
    assert PER_MINUTE == most_in_a_window(times)
    assert PER_MINUTE < len(times)
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    took_s = (first_minute[PER_MINUTE - 1] - times[0]) / 1000
    tell(f"{PER_MINUTE} passed in {took_s:.2f} s, {len(times)} in all, {len(refused)} refused")
