"""What a caller is held to: the rules that travel with a verified key."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Measure(StrEnum):
    """What a limit counts."""

    USD = "usd"  # a budget
    REQUESTS = "requests"
    TOKENS = "tokens"  # in and out together
    CONCURRENCY = "concurrency"  # calls that run at the same time


class Holder(StrEnum):
    """Whose limit it is: all calls of one holder draw from it together."""

    TENANT = "tenant"
    OWNER = "owner"  # all keys with the same owner
    KEY = "key"
    UPSTREAM = "upstream"


class Span(StrEnum):
    """Over which time a limit counts."""

    DAY = "day"
    WEEK = "week"  # begins on Monday
    MONTH = "month"
    TOTAL = "total"  # for ever
    MINUTE = "minute"  # any 60 seconds, not the clock's minutes
    CALL = "call"  # while calls run


@dataclass(frozen=True, slots=True)
class Limit:
    """
    One rule in force. ``amount`` is US dollars for a budget, else a whole number; at least 0.

    ``model`` is a glob pattern on the model's name, "" for every model. A limit that is not
    ``hard`` refuses nothing.
    """

    limit_id: str
    measure: Measure
    holder: Holder
    span: Span
    amount: Decimal
    model: str = ""
    hard: bool = True
