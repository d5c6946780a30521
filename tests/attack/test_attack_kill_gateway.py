"""``kill -9`` of the gateway at random moments under load; the simulator's log is the witness."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.load import Load
from support.meterr_house import House, open_house
from support.witness import (
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    folders,
    undrained,
)

pytestmark = pytest.mark.attack

QUIET = '[log]\nrequests = "none"\n'


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=QUIET) as running:
        yield running


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def successor(house: House, killed: int) -> int:
    """Wait for the next gateway process, which may not serve yet, and return its id."""
    parent = psutil.Process(house.meterr.popen.pid)
    found: list[int] = []

    def born() -> bool:
        found[:] = [child.pid for child in parent.children() if child.pid != killed]
        return bool(found)

    house.until(born)
    return found[0]


def one_round(house: House, load: Load, seed: int) -> float:
    """Kill the gateway once, or again while its successor starts; return seconds to the next."""
    chance = random.Random(seed)
    pid = house.gateway_pid
    dead = {pid}
    struck = load.strike(chance.randint(10, 150), chance.uniform(0, 0.03), lambda: kill(pid))
    house.until(struck.is_set)
    began = time.monotonic()
    if chance.random() < 0.15:
        unborn = successor(house, pid)
        struck = load.strike(1, chance.uniform(0, 0.8), lambda: kill(unborn))
        house.until(struck.is_set)
        dead.add(unborn)
    house.until(lambda: house.gateway_pid not in dead)
    return time.monotonic() - began


def assert_agrees_with_itself(house: House) -> None:
    """Hold P1: the costs of all entries, recomputed from tokens and price, are those stored."""
    command = [sys.executable, "-m", "meterr", "verify", "ledger"]
    done = subprocess.run(command, env=house.environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(3600)
def test_kill_9_at_random_moments_loses_no_call_and_enters_none_twice(
    house: House, rounds: int, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: every call that the simulator received has exactly one entry, 30 rounds or --rounds N."""
    with Load(lambda: house.base_url, house.key, seed=first_seed) as load:
        took = [one_round(house, load, first_seed + number) for number in range(rounds)]
        answered = len(load.seen)
        house.until(lambda: len(load.seen) > answered + 50)
    house.until(lambda: not undrained(house))
    house.until(lambda: len(folders(house)) == 1)  # that of the process which lives
    found = audit(house)
    assert [] == [each for each in load.seen if each.status not in {0, 200, 503}]
    assert rounds * 20 < load.whole
    free = [each for each in found.never_left.values() if each["state"] != "interrupted"]
    assert [] == [each for each in free if each["cost_usd"]]
    assert_nothing_lost_and_nothing_twice(found)
    estimated = assert_settled_exactly(found, load.seen)
    # A call is settled in the kernel before the last byte of its answer leaves.
    assert [] == estimated
    assert_agrees_with_itself(house)
    took.sort()
    tell(f"{rounds} kills; restart p50 {took[rounds // 2]:.2f} s, max {took[-1]:.2f} s")
    tell(f"{len(load.seen)} calls, {load.whole} answered whole, the rest {load.broken}")
    tell(
        f"{len(found.received)} received, {found.rows} entries, {len(found.never_left)} never left"
    )
    tell(f"{len(found.of('interrupted'))} interrupted, {len(estimated)} of these answered whole")
