"""The types of limits: what a call asks for, what is left, what rules look like when stored."""

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple, Self

import msgspec

from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.core.money import EXACT
from meterr.ledger.limits.lease import Nature

NO_TENANT: Final = "00000000-0000-0000-0000-000000000000"  # whose the limits of upstreams are
USD_PLACES: Final = 18

NATURE: Final[Mapping[Measure, Nature]] = {
    Measure.USD: Nature.SPENT,
    Measure.REQUESTS: Nature.COOLS,
    Measure.TOKENS: Nature.COOLS,
    Measure.CONCURRENCY: Nature.RUNS,
}


class OnOutage(StrEnum):
    """What happens to a call whose limits cannot be checked. There is one answer, said aloud."""

    REFUSE = "refuse"


class Ask(NamedTuple):
    """
    The most that a call can use, in the units that leases count in, in the order of ``PLACE``.

    ``usd`` is in 10**-18 US dollars, None when the cost cannot be bounded.
    """

    usd: int | None
    tokens: int
    calls: int = 1

    @classmethod
    def of(cls, usd: Decimal | None, tokens: int) -> Self:
        """Return what a call asks for that costs at most ``usd`` dollars; rounded up."""
        return cls(None if usd is None else usd_units(usd), tokens)


PLACE: Final[Mapping[Measure, int]] = {
    Measure.USD: 0,
    Measure.TOKENS: 1,
    Measure.REQUESTS: 2,
    Measure.CONCURRENCY: 2,
}


class LimitState(NamedTuple):
    """
    What is left of a limit, as this process knows it: never more than there was when it last asked.

    ``resets_in_s`` is the time until a budget's window ends (infinity for ``total``), or until
    everything that this process used of a rate is free again; 0 for concurrency.
    """

    limit: Limit
    remaining: Decimal
    resets_in_s: float


class NewLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as asked for; ``subject`` is an owner's name or a key's id, "" for the tenant."""

    measure: Measure
    holder: Holder
    span: Span
    amount: str  # US dollars, or a whole number
    subject: str = ""
    model: str = ""  # a pattern with * and ?, "" for every model
    hard: bool = True


class LimitRecord(msgspec.Struct, frozen=True):
    """
    A rule as stored, with its present window.

    ``taken`` is what was drawn of the window, in use or not, ``spent`` what its ledger entries drew
    (budgets only), also those from before the rule. ``ends_at`` is None where it has no end.
    """

    limit_id: str
    measure: Measure
    holder: Holder
    subject: str
    model: str
    span: Span
    amount: Decimal
    hard: bool
    created_at: datetime
    ended_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    taken: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)


class LeaseRecord(msgspec.Struct, frozen=True):
    """
    What a process has of one window.

    ``granted`` is what it borrowed and did not return, in use or not; ``spent`` is what ledger
    entries cost of that (budgets only). ``seen_at`` is the last sign of life of the process.
    """

    tenant_id: str
    process: str
    limit_id: str
    measure: Measure
    holder: Holder
    subject: str
    model: str
    span: Span
    starts_at: datetime
    granted: Decimal
    spent: Decimal
    seen_at: datetime


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process that borrowed; ``silent_s`` is the age of its last sign of life, in seconds."""

    silent_s: float
    closed_at: datetime | None


class Freed(msgspec.Struct, frozen=True):
    """What a window of a budget in force, over or not, can lend again once a process is closed."""

    tenant_id: str
    limit_id: str
    starts_at: datetime
    usd: Decimal


class LimitEvent(msgspec.Struct, frozen=True):
    """
    A budget's window has spent ``percent`` of its amount: told once each.

    ``spent`` and ``amount`` are those of that moment; the rule is as it is now.
    """

    limit_id: str
    measure: Measure
    holder: Holder
    subject: str
    model: str
    span: Span
    hard: bool
    starts_at: datetime
    percent: int
    at: datetime
    spent: Decimal
    amount: Decimal


def usd_units(usd: Decimal) -> int:
    """Return US dollars in units of 10**-18, rounded up."""
    return math.ceil(usd.scaleb(USD_PLACES, EXACT))


def units(measure: Measure, amount: Decimal) -> int:
    """Return an amount in the whole units that leases count in."""
    return usd_units(amount) if measure is Measure.USD else int(amount)


def amount_of(measure: Measure, count: int) -> Decimal:
    """Return whole units as the amount that they are."""
    if measure is Measure.USD:
        return EXACT.scaleb(Decimal(count), -USD_PLACES)
    return Decimal(count)
