"""Times and spans on the command line."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import click

from meterr.core.clock import as_datetime

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SPAN = re.compile(r"(\d{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def iso(unix_ms: int | None) -> str | None:
    """Return ``unix_ms`` as RFC 3339 in UTC, or None."""
    if unix_ms is None:
        return None
    return as_datetime(unix_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


class Moment(click.ParamType[date | datetime]):
    """A date, a date with time, or a span back from now such as ``7d``."""

    name = "date|span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date | datetime:
        text = str(value)
        span = _SPAN.fullmatch(text)
        if span is not None:
            return datetime.now(UTC) - _span(span)
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no date (2026-11-22), time (2026-11-22T10:00) or span (7d).")


def with_period(back: str) -> Callable[[_Command], _Command]:
    """Add the options of a period, which begins ``back`` from now unless it is said otherwise."""
    options = (
        click.option("--tz", default="UTC", show_default=True, help="IANA zone of days and dates."),
        click.option(
            "--to", "until", type=Moment(), default="0s", help="End, exclusive [default: now]."
        ),
        click.option(
            "--from",
            "since",
            type=Moment(),
            default=back,
            help=f"Begin, inclusive [default: {back}].",
        ),
    )

    def with_options(command: _Command) -> _Command:
        for option in options:
            command = option(command)
        return command

    return with_options


class Span(click.ParamType[timedelta]):
    """A span such as ``90d`` or ``12h``; becomes a timedelta."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        span = _SPAN.fullmatch(str(value))
        if span is None:
            self.fail(f"{value!r} is no span. Write a number and s, m, h, d or w, such as 90d.")
        return _span(span)


def _span(match: re.Match[str]) -> timedelta:
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
