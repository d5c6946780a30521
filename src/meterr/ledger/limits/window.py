"""Windows of budgets: which day, week or month of a time zone an instant belongs to. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from meterr.core.limits import Span
from meterr.ledger.period import instant_of, zone_of

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Window(NamedTuple):
    """A half-open stretch of time in UTC; ``ends_at`` is None when it never ends."""

    starts_at: datetime
    ends_at: datetime | None


def window_at(span: Span, time_zone: str, at: datetime) -> Window:
    """
    Return the window of ``span`` in the IANA zone ``time_zone`` that holds the aware time ``at``.

    Windows of one zone and span follow each other without gap or overlap, whatever its clock does.
    A day begins when its date is first seen: after a leap over midnight that is the moment of the
    leap, and a clock that is set back over midnight does not reopen the day before. A day that the
    zone skipped has no window. Rates, concurrency and ``total`` have one window for ever.

    Raises ``Invalid`` for an unknown zone, and for times outside the years 1970 to 2999.
    """
    if span not in _FIRST_DAY:
        return Window(EPOCH, None)
    zone = zone_of(time_zone)
    first = _FIRST_DAY[span](at.astimezone(zone).date())
    starts_at = instant_of(first, zone)
    # The clock may have been set back from the day after: that one had begun already.
    while (following := _after(span, first, starts_at, zone))[1] <= at:
        first, starts_at = following
    return Window(starts_at, following[1])


def _after(span: Span, first: date, starts_at: datetime, zone: tzinfo) -> tuple[date, datetime]:
    """Return the first day and the start of the next window that is not empty."""
    following = starts_at
    while following <= starts_at:
        first = _next_first_day(span, first)
        following = instant_of(first, zone)
    return first, following


def _next_first_day(span: Span, first: date) -> date:
    return _FIRST_DAY[span](first + timedelta(days=_LONGER_THAN[span]))


def _same_day(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


_FIRST_DAY: Final[Mapping[Span, Callable[[date], date]]] = {
    Span.DAY: _same_day,
    Span.WEEK: _monday,
    Span.MONTH: _first_of_month,
}
# Days from the first day of a window that lead into the next one, and not beyond it.
_LONGER_THAN: Final[Mapping[Span, int]] = {Span.DAY: 1, Span.WEEK: 7, Span.MONTH: 31}
