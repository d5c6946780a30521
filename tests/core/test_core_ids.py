"""Ids: RFC 9562's UUIDv7, rising whatever the clock does."""

import uuid
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory, unix_ms_of

NOW_MS = 1_795_000_000_000
TWO_HOURS_MS = 2 * 60 * 60 * 1000
MILLISECONDS = st.integers(min_value=0, max_value=(1 << 48) - 2)


@dataclass
class SetClock(SystemClock):
    """A clock that says what it is told."""

    now_ms: int

    def unix_ms(self) -> int:
        return self.now_ms


@given(st.lists(st.integers(min_value=0, max_value=TWO_HOURS_MS), min_size=1, max_size=50))
def test_ids_rise_however_the_clock_steps_within_two_hours(steps: list[int]) -> None:
    """DESIGN 7, clock steps: ids stay ordered."""
    clock = SetClock(0)
    ids = IdFactory(clock)
    minted = []
    for step in steps:
        clock.now_ms = NOW_MS + step
        minted.append(ids.new())

    assert sorted(set(minted)) == minted


def test_a_blip_into_the_future_does_not_misdate_what_comes_after() -> None:
    """P1: entries are found by their time; one wrong reading must not set it for good."""
    clock = SetClock(NOW_MS + 70 * 365 * 24 * TWO_HOURS_MS)
    ids = IdFactory(clock)
    ids.new()
    clock.now_ms = NOW_MS

    assert NOW_MS == unix_ms_of(ids.new())


@given(MILLISECONDS)
def test_an_id_is_a_uuid_of_version_7_and_carries_its_millisecond(unix_ms: int) -> None:
    """RFC 9562, 5.7; the ledger's ``at`` is read back from the id."""
    minted = IdFactory(SetClock(unix_ms)).new()
    parsed = uuid.UUID(minted)

    assert (7, uuid.RFC_4122, minted) == (parsed.version, parsed.variant, str(parsed))
    assert unix_ms == unix_ms_of(minted)


def test_a_full_counter_borrows_the_next_millisecond() -> None:
    """All random bits set: the counter starts as high as it can and still has room to rise."""
    ids = IdFactory(SetClock(1), randomness=lambda size: b"\xff" * size)
    minted = [ids.new() for _ in range(5_000)]

    assert sorted(set(minted)) == minted
    assert {7} == {uuid.UUID(each).version for each in minted}


def test_two_factories_never_mint_the_same_id() -> None:
    """P2: an id names one call, on any number of processes."""
    clock = SetClock(1)
    one, other = IdFactory(clock), IdFactory(clock)

    assert 2_000 == len({factory.new() for _ in range(1_000) for factory in (one, other)})
