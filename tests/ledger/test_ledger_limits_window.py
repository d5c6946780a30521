"""Windows of budgets: days, weeks and months of a zone, whatever its clock does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.core.limits import Span
from meterr.ledger.limits.window import EPOCH, window_at

SPANS = (Span.DAY, Span.WEEK, Span.MONTH)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # midnight did not exist until 2019
    "Asia/Beirut",  # midnight does not exist, and the day before ends twice
    "America/Havana",  # midnight exists twice
    "America/St_Johns",  # until 2011 at one minute past midnight, back into the day before
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # 2011-12-30 never was
    "Pacific/Kwajalein",  # nor was 1993-08-21
    "Africa/Casablanca",
    "Asia/Kathmandu",
)
# Seconds from 1975 to 2037.
instants = st.integers(157_766_400, 2_145_830_400).map(lambda s: datetime.fromtimestamp(s, UTC))


def text(span: Span, zone: str, at: str) -> tuple[str, str]:
    starts_at, ends_at = window_at(span, zone, datetime.fromisoformat(at))
    assert ends_at is not None
    return starts_at.isoformat()[:16], ends_at.isoformat()[:16]


@given(st.sampled_from(SPANS), st.sampled_from(ZONES), instants)
def test_windows_tile_the_time(span: Span, zone: str, at: datetime) -> None:
    """Half-open, without gap or overlap; every instant of a window has that window."""
    window = window_at(span, zone, at)
    assert window.ends_at is not None
    assert window.starts_at <= at < window.ends_at
    last = window.ends_at - timedelta(microseconds=1)
    assert window == window_at(span, zone, window.starts_at) == window_at(span, zone, last)
    following = window_at(span, zone, window.ends_at)
    assert following.starts_at == window.ends_at


@given(st.sampled_from(ZONES), instants)
def test_weeks_and_months_begin_with_a_day(zone: str, at: datetime) -> None:
    """So a month's budget and its days' sums begin at one instant."""
    for span in (Span.WEEK, Span.MONTH):
        starts_at = window_at(span, zone, at).starts_at
        assert starts_at == window_at(Span.DAY, zone, starts_at).starts_at
        local = starts_at.astimezone(ZoneInfo(zone))
        assert (local.weekday() if span is Span.WEEK else local.day - 1) == 0


@pytest.mark.parametrize(
    ("span", "zone", "at", "window"),
    [
        # Spring in Berlin: 23 hours. Autumn: 25.
        (Span.DAY, "Europe/Berlin", "2026-03-29T10:00Z", ("2026-03-28T23:00", "2026-03-29T22:00")),
        (Span.DAY, "Europe/Berlin", "2026-10-25T10:00Z", ("2026-10-24T22:00", "2026-10-25T23:00")),
        # Midnight leaps to one o'clock: the day begins at the leap.
        (
            Span.DAY,
            "America/Sao_Paulo",
            "2018-11-04T12:00Z",
            ("2018-11-04T03:00", "2018-11-05T02:00"),
        ),
        # At midnight back to 23:00: the day before has 25 hours.
        (
            Span.DAY,
            "America/Sao_Paulo",
            "2018-02-18T02:30Z",
            ("2018-02-17T02:00", "2018-02-18T03:00"),
        ),
        # At one o'clock back to midnight: the day begins at the first of its midnights.
        (Span.DAY, "America/Havana", "2026-11-01T12:00Z", ("2026-11-01T04:00", "2026-11-02T05:00")),
        # One minute past midnight back into the day before, which does not begin again.
        (
            Span.DAY,
            "America/St_Johns",
            "2010-11-07T02:45Z",
            ("2010-11-07T02:30", "2010-11-08T03:30"),
        ),
        # The day that never was.
        (Span.DAY, "Pacific/Apia", "2011-12-30T09:59Z", ("2011-12-29T10:00", "2011-12-30T10:00")),
        (Span.DAY, "Pacific/Apia", "2011-12-30T10:00Z", ("2011-12-30T10:00", "2011-12-31T10:00")),
        (Span.WEEK, "UTC", "2026-11-22T12:00Z", ("2026-11-16T00:00", "2026-11-23T00:00")),
        (Span.MONTH, "Asia/Tokyo", "2026-12-31T15:00Z", ("2026-12-31T15:00", "2027-01-31T15:00")),
        (Span.MONTH, "UTC", "2028-02-29T23:59Z", ("2028-02-01T00:00", "2028-03-01T00:00")),
    ],
)
def test_the_days_that_are_special(span: Span, zone: str, at: str, window: tuple[str, str]) -> None:
    """Each checked by hand against the zone's own history."""
    assert window == text(span, zone, at)


@pytest.mark.parametrize("span", [Span.TOTAL, Span.MINUTE, Span.CALL])
def test_what_has_no_window_has_one_for_ever(span: Span) -> None:
    """Rates slide and totals never end; no zone is asked."""
    assert (EPOCH, None) == window_at(span, "Nowhere/At_All", datetime(2026, 1, 1, tzinfo=UTC))


def test_an_unknown_zone_is_refused() -> None:
    """Bad input: a clear error."""
    with pytest.raises(Invalid, match="IANA time zone"):
        window_at(Span.DAY, "Nowhere/At_All", datetime(2026, 1, 1, tzinfo=UTC))
