"""``kill -9`` of the parent, of the drain at work, and of everything at once."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from support.load import Load
from support.meterr_house import House, open_house, start, stop
from support.witness import (
    Audit,
    assert_nothing_lost_and_nothing_twice,
    assert_settled_exactly,
    audit,
    undrained,
)

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

QUIET = '[log]\nrequests = "none"\n[journal]\nsegment_bytes = 65536\n'


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root, config=QUIET) as running:
        yield running


def family(house: House) -> list[psutil.Process]:
    """Return the processes of meterr, its parent first."""
    parent = psutil.Process(house.meterr.popen.pid)
    return [parent, *parent.children(recursive=True)]


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):  # its parent's end was enough for it
            os.kill(process.pid, signal.SIGKILL)


def loaded(house: House, seed: int, deed: Callable[[], None]) -> Load:
    """Strike ``deed`` at a random moment under load, and return the load once it has left."""
    chance = random.Random(seed)
    with Load(lambda: house.base_url, house.key, seed=seed) as load:
        struck = load.strike(chance.randint(100, 250), chance.uniform(0, 0.03), deed)
        house.until(struck.is_set)
        house.meterr.popen.wait()
    return load


def assert_whole(house: House, loads: list[Load]) -> Audit:
    """Wait until nothing is left in the journals, and hold the ledger against the witness."""
    house.until(lambda: not undrained(house))
    found = audit(house)
    assert_nothing_lost_and_nothing_twice(found)
    for load in loads:
        assert_settled_exactly(found, load.seen)
    return found


def test_children_end_by_themselves_when_the_parent_is_killed(house: House) -> None:
    """P2: a gateway without a parent finishes its calls and goes; it does not serve on unseen."""
    parent, *children = family(house)

    load = loaded(house, 1, lambda: kill([parent]))
    psutil.wait_procs(children, timeout=60)

    assert [] == [child.pid for child in children if child.is_running()]
    assert load.whole > 50
    assert {0, 200} >= set(load.statuses())


def test_the_next_meterr_adopts_the_journals_of_a_killed_one(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: nothing lost, nothing twice, over three kills of the parent."""
    loads = []
    for seed in range(first_seed, first_seed + 3):
        parent = family(house)[0]
        loads.append(loaded(house, seed, lambda parent=parent: kill([parent])))
        house.serve_again()
    found = assert_whole(house, loads)
    tell(f"{len(found.received)} received, {len(found.of('interrupted'))} interrupted")


def test_everything_killed_at_once_is_made_whole_by_the_next_start(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: what the machine's out-of-memory killer does at its worst."""
    loads = []
    for seed in range(first_seed, first_seed + 3):
        processes = family(house)
        loads.append(loaded(house, seed, lambda processes=processes: kill(processes)))
        house.serve_again()
    found = assert_whole(house, loads)
    tell(f"{len(found.received)} received, {len(found.of('interrupted'))} interrupted")


def test_a_drain_killed_in_its_backlog_again_and_again_enters_each_call_once(
    house: House, first_seed: int, tell: Callable[[str], None]
) -> None:
    """P2: every step of the drain may be killed and done again."""
    load = backlog(house, first_seed)
    entered: list[int] = []
    chance = random.Random(first_seed)
    for _ in range(5):
        goal = len(house.entries()) + chance.randint(1, 150)
        house.meterr = start(["serve"], house.environment)
        house.until(lambda goal=goal: len(house.entries()) >= goal or not undrained(house))
        entered.append(len(house.entries()))
        kill(family(house))
        stop(house.meterr)
    house.serve_again()
    found = assert_whole(house, [load])
    tell(f"{found.rows} entries; at the kills there were {entered}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_lets_every_call_finish(house: House, number: signal.Signals) -> None:
    """P2, P8: whatever has left comes back to its caller, is settled and is in the ledger."""
    load = loaded(house, 3, lambda: house.meterr.popen.send_signal(number))

    found = audit(house)

    assert 0 == house.meterr.popen.returncode
    assert [] == undrained(house)
    assert {} == found.of("interrupted")
    assert found.received.keys() == {each.id for each in load.seen if each.whole}
    assert_nothing_lost_and_nothing_twice(found)
    assert [] == assert_settled_exactly(found, load.seen)


def test_a_stop_while_the_gateway_restarts_leaves_no_process_behind(house: House) -> None:
    """P2: between two children is a moment like any other."""
    load = loaded(house, 4, lambda: end_child_and_parent(house))
    assert house.meterr.reader is not None
    house.meterr.reader.join(60)

    assert not house.meterr.reader.is_alive()  # nobody holds its standard error any more
    assert 0 == house.meterr.popen.returncode
    house.serve_again()
    assert_whole(house, [load])


def end_child_and_parent(house: House) -> None:
    house.kill_gateway()
    house.meterr.popen.terminate()


def test_a_second_meterr_on_the_same_data_takes_over_from_a_killed_one(house: House) -> None:
    """P2: while the first lives it alone drains; its journals are adopted once it is dead."""
    first = house.meterr
    second = start(["serve"], house.environment)
    try:
        urls = [house.base_url, second.wait_for(r"ready at (http://[^ ]*\d)")[1]]
        with Load(lambda: random.choice(urls), house.key, seed=2) as load:
            house.until(lambda: load.whole > 200)
            kill(family(house))
            more = load.whole + 200
            house.until(lambda: load.whole > more)
        assert_whole(house, [load])
        assert second.popen.poll() is None
    finally:
        stop(second)
        stop(first)


def backlog(house: House, seed: int) -> Load:
    """Let the gateway take calls while its parent, who drains, is stopped; then kill all."""
    parent, *children = family(house)
    with Load(lambda: house.base_url, house.key, seed=seed) as load:
        parent.suspend()
        house.until(lambda: len(load.seen) > 2000)
    parent.resume()
    kill([parent, *children])
    stop(house.meterr)
    return load
