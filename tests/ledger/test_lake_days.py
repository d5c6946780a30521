"""Which days are closed, and what a file is worth beside the database: rules, without either."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.ledger.lake import SETTLING, DayState, Figures, end_of_closed
from meterr.ledger.lake.days import judge

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
TODAY = MIDNIGHT.date()
YESTERDAY = TODAY - timedelta(days=1)
figures = st.builds(
    Figures,
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5).map(lambda units: Decimal(units).scaleb(-18)),
)


@pytest.mark.parametrize(
    ("after_midnight", "include_recent", "expected"),
    [
        (timedelta(0), False, YESTERDAY),
        (SETTLING - timedelta(microseconds=1), False, YESTERDAY),
        (SETTLING, False, TODAY),
        (timedelta(hours=23), False, TODAY),
        (timedelta(0), True, TODAY),
        (timedelta(hours=23), True, TODAY),
    ],
)
def test_a_day_is_exported_when_it_is_over_and_has_settled(
    after_midnight: timedelta, include_recent: bool, expected: date
) -> None:
    """Issue 3, 8: the day that goes on is never exported, whatever is asked for."""
    found = end_of_closed(MIDNIGHT + after_midnight, include_recent=include_recent)
    assert expected == found


SOME = Figures(2, 10, Decimal("0.1"))


@pytest.mark.parametrize(
    ("stored", "exported", "expected"),
    [
        (None, None, None),
        (Figures(), None, None),
        (SOME, None, DayState.MISSING),
        (None, SOME, DayState.KEPT),
        (SOME, SOME, DayState.CURRENT),
        (Figures(3, 10, Decimal("0.1")), SOME, DayState.LATE),
        (Figures(3, 11, Decimal("0.2")), SOME, DayState.LATE),
        (Figures(3, 9, Decimal("0.2")), SOME, DayState.DIFFERS),
        (Figures(3, 10, Decimal("0.09")), SOME, DayState.DIFFERS),
        (Figures(2, 10, Decimal("0.2")), SOME, DayState.DIFFERS),
        (Figures(2, 11, Decimal("0.1")), SOME, DayState.DIFFERS),
        (Figures(1, 10, Decimal("0.1")), SOME, DayState.DIFFERS),
        (Figures(), SOME, DayState.DIFFERS),
    ],
)
def test_a_file_is_judged_by_what_the_database_has(
    stored: Figures | None, exported: Figures | None, expected: DayState | None
) -> None:
    """Issue 3, 8: late is what entries that arrived explain; all else differs."""
    assert expected == judge(stored, exported)


@given(before=figures, arrived=figures)
def test_what_arrives_is_late_and_never_a_difference(before: Figures, arrived: Figures) -> None:
    """P2: the ledger only grows, so honest arrivals are always recognised as such."""
    after = before.plus(arrived)
    expected = DayState.LATE if arrived.entries else judge(after, before)
    assert expected == judge(after, before)


@given(stored=figures, exported=figures)
def test_a_file_is_replaced_only_by_one_that_has_more(stored: Figures, exported: Figures) -> None:
    """P2: no export loses an entry that a file has."""
    if judge(stored, exported) is DayState.LATE:
        assert stored.entries > exported.entries
        assert stored.cost_usd >= exported.cost_usd
