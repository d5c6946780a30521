"""Ranges of time as people say them, made into two days. Pure: today is an argument."""

from datetime import date, timedelta
from enum import StrEnum

import msgspec

from meterr.query.language.slips import slip

_DAYS_BACK_MAX = 3660
# A month that is counted back is 30 days, a year 365: whole days, up to today.
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


class Period(StrEnum):
    """Calendar periods around today; weeks begin on Monday."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this week"
    LAST_WEEK = "last week"
    THIS_MONTH = "this month"
    LAST_MONTH = "last month"
    THIS_QUARTER = "this quarter"
    LAST_QUARTER = "last quarter"
    THIS_YEAR = "this year"
    LAST_YEAR = "last year"


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    A range in one of three forms: ``last`` with ``unit``; ``period``; ``from``, ``to`` or both.

    The last n units end with today, which counts; ``from`` and ``to`` are days, both inside.
    """

    last: int | None = None
    unit: str | None = None  # day, week, month or year; models say days, too
    period: Period | None = None
    first_day: str | None = msgspec.field(default=None, name="from")
    last_day: str | None = msgspec.field(default=None, name="to")


class Days(msgspec.Struct, frozen=True):
    """From the beginning of ``first`` to the beginning of ``end``, which is outside; None: open."""

    first: date | None
    end: date | None


def days_of(said: Range, today: date) -> Days:
    """Return the days that were meant. Raises ``Slip`` for days that no calendar has."""
    counted = said.last is not None or said.unit is not None
    named = said.first_day is not None or said.last_day is not None
    if counted + named + (said.period is not None) != 1:
        slip("range", "A range is last with unit, or period, or from and to: one of them.")
    try:
        if said.period is not None:
            return _calendar(said.period, today)
        return _between(said) if named else _last(said, today)
    except OverflowError:
        slip("range", "The range leaves the calendar.")


def _last(said: Range, today: date) -> Days:
    if said.last is None or said.unit is None:
        slip("range", "A range that counts back needs last and unit.")
    unit = said.unit.casefold().removesuffix("s")
    if unit not in _DAYS:
        slip("range", f"The last n are counted in {', '.join(_DAYS)}.")
    back = said.last * _DAYS[unit]
    if not 1 <= back <= _DAYS_BACK_MAX:
        slip("range", f"A range goes back 1 to {_DAYS_BACK_MAX} days.")
    end = today + timedelta(days=1)
    return Days(end - timedelta(days=back), end)


def _between(said: Range) -> Days:
    first, last = _day(said.first_day), _day(said.last_day)
    if first is not None and last is not None and last < first:
        slip("range", "The range ends before it begins.")
    return Days(first, None if last is None else last + timedelta(days=1))


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        # Python reads 20261123 as well; what is not written in full is not a day here.
        return date.fromisoformat(text if len(text) == len("2026-11-23") else "")
    except ValueError:
        slip("range", "Days are written as 2026-11-23.")


def _calendar(period: Period, today: date) -> Days:
    relative, _, unit = period.rpartition(" ")
    if period in {Period.TODAY, Period.YESTERDAY}:
        first = today - timedelta(days=period is Period.YESTERDAY)
        return Days(first, first + timedelta(days=1))
    begins = _beginning(unit, today)
    if relative == "last":
        return Days(_beginning(unit, begins - timedelta(days=1)), begins)
    return Days(begins, _beginning(unit, begins + timedelta(days=_LONGER_THAN[unit])))


_LONGER_THAN = {"week": 7, "month": 31, "quarter": 92, "year": 366}


def _beginning(unit: str, day: date) -> date:
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case _:
            return day.replace(month=1, day=1)
