"""What bodies and answers are made of: strict, closed, times as RFC 3339, money as text."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from meterr.core.clock import as_datetime
from meterr.core.money import wire

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Asked(BaseModel):
    """
    A body that somebody sends: no field that is not listed, no value of another type.

    Each purpose has its own. What only some may set (a role) is a body of its own, with a route of
    its own: never a field here that a service would have to remember to check.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Shown(BaseModel):
    """An answer: the fields that are listed, whatever the service knows beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _parsed(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("a time such as 2027-01-31T00:00:00Z, with its offset")
    return datetime.fromisoformat(value.upper())


Instant = Annotated[datetime, BeforeValidator(_parsed)]
"""A point in time, as RFC 3339 writes it; never a number."""


def instant(unix_ms: int | None) -> datetime | None:
    """Return Unix milliseconds as an answer shows them."""
    return None if unix_ms is None else as_datetime(unix_ms)


def exact(amount: Decimal) -> str:
    """Return an amount as an answer shows it: a plain decimal, unrounded."""
    return wire(amount)


def exact_or_none(amount: Decimal | None) -> str | None:
    """Return an amount as an answer shows it; null where it is not known."""
    return None if amount is None else wire(amount)
