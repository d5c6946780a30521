"""The period a report is about, as a query writes it."""

from datetime import date, datetime, timedelta
from typing import Annotated, Final

from fastapi import Query

from meterr.core.clock import Clock, as_datetime
from meterr.core.errors import Invalid
from meterr.ledger.period import Period, period_of, zone_of

_BACK: Final = timedelta(days=30)
_CHARS_MAX: Final = 40

From = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=_CHARS_MAX,
        description="Begin, inclusive: a date or an RFC 3339 time. Default: 30 days back.",
    ),
]
To = Annotated[
    str | None,
    Query(
        alias="to",
        max_length=_CHARS_MAX,
        description="End, exclusive: a date or an RFC 3339 time. Default: now.",
    ),
]
Zone = Annotated[str, Query(alias="tz", max_length=64, description="IANA zone of days and dates.")]


def bounds(since: str | None, until: str | None, clock: Clock) -> tuple[date | datetime, ...]:
    """Return begin and end as the reading services take them. Raises Invalid for what is none."""
    now = as_datetime(clock.unix_ms())
    begin = now - _BACK if since is None else _moment(since, "from")
    return begin, now if until is None else _moment(until, "to")


def period(since: str | None, until: str | None, tz: str, clock: Clock) -> Period:
    """Return the period; raises Invalid for an empty one or an unknown zone."""
    begin, end = bounds(since, until, clock)
    return period_of(begin, end, zone_of(tz))


def _moment(text: str, param: str) -> date | datetime:
    try:
        return date.fromisoformat(text) if len(text) <= len("2026-11-22") else _time(text)
    except ValueError:
        raise Invalid(
            f"{param} is a date such as 2026-11-22 or a time such as 2026-11-22T10:00:00Z.",
            param=param,
        ) from None


def _time(text: str) -> datetime:
    # A plus sign that nobody encoded has become a space.
    at = datetime.fromisoformat(text.replace(" ", "+"))
    if at.tzinfo is None:
        raise ValueError("no offset")
    return at
