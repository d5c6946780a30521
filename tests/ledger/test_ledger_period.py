"""Periods: the days and hours of a time zone, drawn once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.ledger.period import Bucket, edges_of, period_of, zone_of

zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
dates = st.dates(date(1990, 1, 1), date(2037, 1, 1))


def labels(first: str, end: str, zone: str, bucket: Bucket = Bucket.DAY) -> list[str]:
    period = period_of(datetime.fromisoformat(first), datetime.fromisoformat(end), ZoneInfo(zone))
    return [edge.label for edge in edges_of(period, bucket)]


@given(zones, dates, st.integers(1, 60))
def test_days_follow_one_another_without_gap_or_overlap(
    zone: ZoneInfo, first: date, days: int
) -> None:
    """P1: whatever a zone did to its clocks, each instant of the period is in exactly one day."""
    period = period_of(first, first + timedelta(days=days), zone)
    edges = edges_of(period, Bucket.DAY)
    assert period.since == edges[0].at
    assert edges[-1].at < period.until
    assert all(one.at < other.at and one.label < other.label for one, other in pairwise(edges))
    assert len(edges) in {days, days - 1}  # a zone that crossed the date line lost a day


@given(zones, dates)
@example(ZoneInfo("Australia/Lord_Howe"), date(2026, 4, 4))
@example(ZoneInfo("Australia/Lord_Howe"), date(2026, 10, 3))
@example(ZoneInfo("Pacific/Apia"), date(2011, 12, 29))
def test_hours_follow_one_another_and_each_has_its_own_name(zone: ZoneInfo, day: date) -> None:
    """P1: the repeated hour of autumn is two hours that differ in their offset."""
    period = period_of(day, day + timedelta(days=2), zone)
    edges = edges_of(period, Bucket.HOUR)
    assert all(one.at < other.at for one, other in pairwise(edges))
    assert all(other.at - one.at <= timedelta(hours=1) for one, other in pairwise(edges))
    assert len(edges) == len({edge.label for edge in edges})
    assert [edge.at for edge in edges[1:]] == [
        datetime.fromisoformat(edge.label) for edge in edges[1:]
    ]


def test_a_day_of_autumn_has_25_hours_and_one_of_spring_23() -> None:
    """P1: Berlin set its clocks on 2026-10-25 and 2026-03-29."""
    autumn = labels("2026-10-25T00:00", "2026-10-26T00:00", "Europe/Berlin", Bucket.HOUR)
    assert 25 == len(autumn)
    assert ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"] == autumn[2:4]
    assert 23 == len(labels("2026-03-29T00:00", "2026-03-30T00:00", "Europe/Berlin", Bucket.HOUR))


def test_a_change_by_half_an_hour_starts_an_hour_at_half_past() -> None:
    """P1: Lord Howe Island set its clocks from 02:00 to 01:30, and from 02:00 to 02:30."""
    zone = "Australia/Lord_Howe"
    assert [
        "2026-04-05T01:00+11:00", "2026-04-05T01:30+10:30", "2026-04-05T02:00+10:30",
    ] == labels("2026-04-05T01:00", "2026-04-05T03:00", zone, Bucket.HOUR)  # fmt: skip
    assert [
        "2026-10-04T01:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00",
    ] == labels("2026-10-04T01:00", "2026-10-04T04:00", zone, Bucket.HOUR)  # fmt: skip


@given(st.integers(0, 7_199), st.sampled_from(["Australia/Lord_Howe", "Europe/Berlin"]))
def test_an_hour_has_one_name_wherever_in_it_a_period_starts(second: int, zone: str) -> None:
    """P1: two reports with different starts can be laid side by side."""
    first = datetime(2026, 4, 4, 14, tzinfo=UTC)
    whole = period_of(first, first + timedelta(hours=3), ZoneInfo(zone))
    late = period_of(first + timedelta(seconds=second), whole.until, ZoneInfo(zone))
    names = [edge.label for edge in edges_of(whole, Bucket.HOUR)]
    told = [edge.label for edge in edges_of(late, Bucket.HOUR)]
    assert names[-len(told) :] == told


def test_a_day_that_never_was_is_not_shown() -> None:
    """P1: Samoa had no 30 December 2011."""
    found = labels("2011-12-29T00:00", "2012-01-01T00:00", "Pacific/Apia")
    assert ["2011-12-29", "2011-12-31"] == found


def test_a_day_without_midnight_starts_at_its_first_instant() -> None:
    """P1: in Cairo, 25 April 2025 began at 01:00."""
    period = period_of(date(2025, 4, 25), date(2025, 4, 26), ZoneInfo("Africa/Cairo"))
    assert datetime(2025, 4, 24, 22, tzinfo=UTC) == period.since
    assert timedelta(hours=23) == period.until - period.since


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a" * 5_000, "a\0"]
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    """Issue 2, bad input: the answer says what a zone looks like; no file is opened by name."""
    with pytest.raises(Invalid, match="IANA time zone"):
        zone_of(name)


def test_a_period_without_length_or_with_too_many_steps_is_refused() -> None:
    """Section 9: every list has a bound, and the answer names it."""
    with pytest.raises(Invalid, match="later than"):
        period_of(date(2026, 1, 1), date(2026, 1, 1), UTC)
    with pytest.raises(Invalid, match="1970 to 2999"):
        period_of(date.min, date(2026, 1, 1), ZoneInfo("Asia/Tokyo"))
    with pytest.raises(Invalid, match="1970 to 2999"):
        period_of(date(2026, 1, 1), date.max, ZoneInfo("America/New_York"))
    with pytest.raises(Invalid, match="3660 steps"):
        edges_of(period_of(date(2000, 1, 1), date(2026, 1, 1), UTC), Bucket.DAY)
    with pytest.raises(Invalid, match="2400 steps"):
        edges_of(period_of(date(2026, 1, 1), date(2026, 6, 1), UTC), Bucket.HOUR)
