"""Stretches of time as people name them, turned once into UTC instants. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from meterr.core.errors import Invalid

# Ten years of days, a quarter of hours: more than anybody reads, and still a small array to send.
_DAYS_MAX = 3_660
_HOURS_MAX = 2_400
_HOUR_S = 3_600
_YEAR_MIN, _YEAR_MAX = 1970, 2999


class Bucket(StrEnum):
    """The steps of time that a sum can be split into."""

    DAY = "day"
    HOUR = "hour"


class Period(msgspec.Struct, frozen=True):
    """A half-open stretch of UTC time and the zone whose days and hours it is told in."""

    since: datetime
    until: datetime
    zone: tzinfo


class Edge(msgspec.Struct, frozen=True):
    """
    Where a bucket starts, and its name: ``2026-11-22``, or an hour with its UTC offset.

    The name is that of the whole day or hour, also when the period starts within it.
    """

    at: datetime
    label: str


class Cuts(msgspec.Struct, frozen=True):
    """The UTC hours and UTC days, by their starts, that some instant divides."""

    hours: tuple[datetime, ...]
    days: tuple[datetime, ...]


def zone_of(name: str) -> tzinfo:
    """Return the IANA zone; raises ``Invalid`` for a name that is none."""
    if name == "UTC":
        return UTC  # also on a machine without a time zone database
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            "That is not an IANA time zone such as Europe/Berlin or UTC.", param="tz"
        ) from None


def period_of(first: date | datetime, end: date | datetime, zone: tzinfo) -> Period:
    """
    Return the period from ``first`` (inclusive) to ``end`` (exclusive).

    A date means the first instant of that day in ``zone``; a naive time is read in ``zone`` (of a
    time that happens twice, the first), an aware one as it is. Raises ``Invalid`` unless the end is
    later than the start, and for years outside 1970 to 2999.
    """
    since, until = instant_of(first, zone), instant_of(end, zone)
    if until <= since:
        raise Invalid("The end of the period must be later than its start.", param="to")
    return Period(since, until, zone)


def edges_of(period: Period, bucket: Bucket) -> tuple[Edge, ...]:
    """
    Return the starts of the buckets that cover the period, in order; the first is ``since`` itself.

    Days and hours are those of the zone's wall clock: a day may last 23 or 25 hours, a repeated
    hour is two buckets that differ in their offset. Raises ``Invalid`` for too long a period.
    """
    step, most = (_next_day, _DAYS_MAX) if bucket is Bucket.DAY else (_next_hour, _HOURS_MAX)
    edges: list[Edge] = []
    at = period.since
    while at < period.until:
        if len(edges) == most:
            raise Invalid(f"By {bucket.value}, a period has at most {most} steps.", param="from")
        edges.append(Edge(at, _label(at, period.zone, bucket)))
        at = step(at, period.zone)
    return tuple(edges)


def cuts_of(period: Period, edges: Sequence[Edge]) -> Cuts:
    """Return what the ends of ``period`` and the ``edges`` within it cut in two."""
    instants = {period.since, period.until, *(edge.at for edge in edges)}
    hours, days = set(), set()
    for at in instants:
        hour = at.replace(minute=0, second=0, microsecond=0)
        if hour != at:
            hours.add(hour)
        if at.hour or hour != at:
            days.add(hour.replace(hour=0))
    return Cuts(tuple(sorted(hours)), tuple(sorted(days)))


def instant_of(when: date | datetime, zone: tzinfo) -> datetime:
    """
    Return when, in UTC, it first is ``when`` in ``zone``; of a date, its first instant.

    A midnight that the clock leaps over is the moment of the leap. Raises ``Invalid`` for years
    outside 1970 to 2999.
    """
    if not _YEAR_MIN <= when.year <= _YEAR_MAX:
        raise Invalid(f"Times from {_YEAR_MIN} to {_YEAR_MAX} can be asked for.", param="from")
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), zone)
    return (when.replace(tzinfo=zone) if when.tzinfo is None else when).astimezone(UTC)


def _next_day(at: datetime, zone: tzinfo) -> datetime:
    day = at.astimezone(zone).date()
    following = at
    # A zone that crossed the date line has a day that never was: it starts where the next does. A
    # clock set back over midnight shows a day twice: its second showing stays with the day after.
    while following <= at:
        day += timedelta(days=1)
        following = instant_of(day, zone)
    return following


def _next_hour(at: datetime, zone: tzinfo) -> datetime:
    return at + timedelta(seconds=_HOUR_S) - _into_hour(at.astimezone(zone))


def _into_hour(local: datetime) -> timedelta:
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _label(at: datetime, zone: tzinfo, bucket: Bucket) -> str:
    local = at.astimezone(zone)
    if bucket is Bucket.DAY:
        return local.date().isoformat()
    return _hour_start(at, zone).astimezone(zone).isoformat(timespec="minutes")


def _hour_start(at: datetime, zone: tzinfo) -> datetime:
    """Return where the hour around ``at`` starts: on the hour, or where the offset changed."""
    local = at.astimezone(zone)
    start = at - _into_hour(local)
    if start.astimezone(zone).utcoffset() == local.utcoffset():
        return start
    # Lord Howe Island moves by half an hour: its hour of the change starts at half past.
    before, after = 0, int(_into_hour(local).total_seconds())
    while after - before > 1:
        middle = (before + after) // 2
        moment = start + timedelta(seconds=middle)
        if moment.astimezone(zone).utcoffset() == local.utcoffset():
            after = middle
        else:
            before = middle
    return start + timedelta(seconds=after)
