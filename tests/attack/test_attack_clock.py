"""The machine's clock steps while meterr serves: by an hour back, and two forward."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.ids import IdFactory, unix_ms_of
from support.load import CHAT, call
from support.meterr_house import House, open_house, stop

pytestmark = pytest.mark.attack

HOUR_NS = 3_600_000_000_000
CALLS = 15

# Python runs this file at the start of every process that finds it: the clock as a file.
CLOCK = """
import pathlib, time
real, offset = time.time_ns, pathlib.Path(__file__).with_name("offset")
time.time_ns = lambda: real() + int(offset.read_text())
"""


class SteppingClock:
    """A clock that shows one given time after the other."""

    def __init__(self, times: list[int]) -> None:
        self._times = iter(times)

    def unix_ms(self) -> int:
        return next(self._times)

    def monotonic(self) -> float:
        raise AssertionError("an id asks for the time, never for a duration")


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    """The file that holds by how many nanoseconds the clock is wrong."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    file = tmp_path / "offset"
    file.write_text("0")
    return file


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path, offset: Path) -> Iterator[House]:
    with open_house(database_url, admin_dsn, data_root) as running:
        running.environment = {**running.environment, "PYTHONPATH": str(offset.parent)}
        stop(running.meterr)
        running.serve_again()
        yield running


def step(offset: Path, wrong_by_ns: int) -> None:
    """Move every process's clock at once: nobody reads a file that is half written."""
    aside = offset.with_name("aside")
    aside.write_text(str(wrong_by_ns))
    aside.replace(offset)


def calls(house: House) -> list[str]:
    seen = [
        asyncio.run(call(house.base_url, house.key, CHAT, (5, 2), {"delay_ms": 20}))
        for _ in range(CALLS)
    ]
    assert [True] * CALLS == [each.whole for each in seen]
    return [each.id for each in seen]


def test_the_ledger_keeps_the_order_of_calls_when_the_clock_steps(
    house: House, offset: Path
) -> None:
    """Design 7: durations use the monotonic clock; ids stay ordered; every key stays good."""
    made = calls(house)
    step(offset, -HOUR_NS)
    made += calls(house)
    step(offset, HOUR_NS)
    made += calls(house)

    entries = house.drained(len(made))

    assert made == [entry["id"] for entry in entries]
    assert [] == [entry for entry in entries if not 20 <= entry["duration_ms"] < HOUR_NS // 10**6]
    hours = {round((entry["at"] - entries[0]["at"]).total_seconds() / 3600) for entry in entries}
    assert {0, 1} == hours


@given(st.integers(0, 2**47), st.lists(st.integers(0, 7_200_000), min_size=2, max_size=50))
def test_ids_rise_while_the_clock_steps_within_two_hours(start: int, steps: list[int]) -> None:
    """Design 7: within a process no id is lower than one before it."""
    times = [start + step for step in steps]
    ids = IdFactory(SteppingClock(times))
    made = [ids.new() for _ in times]
    assert sorted(set(made)) == made
    assert [max(times[: n + 1]) for n in range(len(times))] == [unix_ms_of(each) for each in made]
