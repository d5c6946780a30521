"""PostgreSQL stopped, killed, frozen and absent, under load: warm keys, cold keys, no loss."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from support import own_postgres, server
from support.load import CHAT, MESSAGES, Kind, Load, Seen, call
from support.meterr_house import House, open_house, start, stop
from support.witness import (
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

QUIET = '[log]\nrequests = "none"\n'
OUTAGE_S = 20.0


@pytest.fixture
def postgres_of_ours() -> Iterator[EmbeddedPostgres]:
    with (
        server.open_directory() as root,
        EmbeddedPostgres(root, server.newest_binaries()) as running,
    ):
        asyncio.run(migrate(running.dsn))
        yield running


@pytest.fixture
def house(postgres_of_ours: EmbeddedPostgres, data_root: Path) -> Iterator[House]:
    admin = own_postgres.admin_dsn(postgres_of_ours)
    with open_house(postgres_of_ours.dsn, admin, data_root, config=QUIET) as running:
        yield running


def ask(house: House, key: str, kind: Kind = CHAT) -> Seen:
    return asyncio.run(call(house.base_url, key, kind, (7, 3), {}))


def standing(house: House) -> tuple[int, str]:
    """Return status and verdict of /readyz."""
    status, body = house.look("/readyz")
    return status, body["status"]


def assert_retry_later(seen: Seen) -> None:
    """Hold that a key nobody can look up is told so, in the caller's dialect."""
    assert seen.status == 503
    assert int(seen.headers["retry-after"]) >= 1
    body = json.loads(seen.body)
    assert body["error"]["message"]
    assert (seen.kind == MESSAGES.name) == (body.get("type") == "error")


def assert_whole(house: House, load: Load) -> None:
    """Wait for the drain, and hold the ledger against the witness."""
    house.until(lambda: standing(house) == (200, "ready"))
    house.until(lambda: not undrained(house))
    found = audit(house)
    assert_nothing_lost_and_nothing_twice(found)
    assert [] == assert_settled_exactly(found, load.seen)
    assert {} == found.of("interrupted")


def outage(house: House, load: Load, colds: list[str]) -> None:
    """See an outage through: warm keys under load, a cold key of each dialect now and then."""
    before = len(load.seen)
    house.until(lambda: standing(house) == (503, "degraded"))
    end = time.monotonic() + OUTAGE_S
    while colds and time.monotonic() < end:
        goal = len(load.seen) + 20
        house.until(lambda goal=goal: len(load.seen) >= goal)
        kind = (CHAT, MESSAGES)[len(colds) % 2]
        assert_retry_later(ask(house, colds.pop(), kind))
    house.until(lambda: time.monotonic() >= end)
    assert {200} == set(load.statuses(before))


def test_twenty_seconds_without_postgresql_cost_no_call_and_no_warm_key(
    house: House, postgres_of_ours: EmbeddedPostgres, tell: Callable[[str], None]
) -> None:
    """P2, P5: stopped in the middle of load; warm keys served, cold ones 503, never 401."""
    colds = [house.new_key(name=f"cold {number}") for number in range(20)]
    with Load(lambda: house.base_url, house.key, seed=20, callers=16) as load:
        house.until(lambda: load.whole > 100)
        postgres_of_ours.stop()
        outage(house, load, colds)
        own_postgres.start_again(postgres_of_ours)
        house.until(lambda: standing(house) == (200, "ready"))
        back = len(load.seen)
        house.until(lambda: len(load.seen) > back + 100)
    assert_whole(house, load)
    assert {200} == set(load.statuses())
    tell(f"{len(load.seen)} calls, all answered, all entered")


def test_kill_9_of_postgresql_costs_no_call_and_no_warm_key(
    house: House, postgres_of_ours: EmbeddedPostgres, tell: Callable[[str], None]
) -> None:
    """P2: the server dies five times under load, and comes back each time."""
    with Load(lambda: house.base_url, house.key, seed=9, callers=16) as load:
        for _ in range(5):
            more = len(load.seen) + 300
            house.until(lambda more=more: len(load.seen) > more)
            own_postgres.kill(postgres_of_ours)
            more = len(load.seen) + 100
            house.until(lambda more=more: len(load.seen) > more)
            own_postgres.start_again(postgres_of_ours)
    assert_whole(house, load)
    assert {200} == set(load.statuses())
    tell(f"{len(load.seen)} calls, all answered, all entered")


def test_a_frozen_postgresql_fails_closed_and_recovers(
    house: House, postgres_of_ours: EmbeddedPostgres, tell: Callable[[str], None]
) -> None:
    """P5: a key that may have been revoked is not served on; 503, never 401."""
    with Load(lambda: house.base_url, house.key, seed=5, callers=8) as load:
        house.until(lambda: load.whole > 50)
        began = time.monotonic()
        with own_postgres.frozen(postgres_of_ours):
            house.until(lambda: load.statuses()[503] > 0, timeout_s=5)
            took_s = time.monotonic() - began
            house.until(lambda: load.statuses()[503] > 50)
            refused = len(load.seen)
            house.until(lambda: len(load.seen) > refused + 50)
            assert {503} == set(load.statuses(refused))
        house.until(lambda: load.seen[-1].status == 200)
    assert {200, 503} == set(load.statuses())
    for each in load.seen:
        assert each.status == 200 or int(each.headers["retry-after"]) >= 1
    assert_whole(house, load)
    tell(f"first refusal {took_s:.2f} s after the freeze")


def test_a_meterr_that_starts_before_postgresql_serves_once_it_is_there(
    house: House, postgres_of_ours: EmbeddedPostgres
) -> None:
    """P10: no order of starting is required; until then each key is cold, and told 503."""
    stop(house.meterr)
    postgres_of_ours.stop()
    house.meterr = start(["serve"], house.environment)
    house.base_url = house.meterr.wait_for(r"ready at (http://[^ ]*\d)")[1]

    assert_retry_later(ask(house, house.key))
    assert_retry_later(ask(house, house.key, MESSAGES))
    assert [] == house.received()
    own_postgres.start_again(postgres_of_ours)
    house.until(lambda: ask(house, house.key).status == 200)

    house.until(lambda: standing(house) == (200, "ready"))
    house.until(lambda: not undrained(house))
    assert_nothing_lost_and_nothing_twice(audit(house))
