"""Frozen types of reconciling: a provider's bill, what we booked, and how the two differ."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from meterr.core.errors import Invalid
from meterr.core.money import EXACT
from meterr.ledger.model import INPUT_CLASSES, OUTPUT_CLASSES

IDS_SHOWN = 3
WEB_SEARCH_LINE = "web search"


class Form(StrEnum):
    """What a bill is written in."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    CSV = "csv"


class Measure(StrEnum):
    """What is compared: US dollars, requests, or tokens of one class. The names are API."""

    USD = "usd"
    REQUESTS = "requests"
    PROMPT = "input_tokens"  # all tokens that went in, cached ones included
    ANSWER = "output_tokens"  # all tokens that came out
    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    INPUT_AUDIO = "input_audio"
    OUTPUT = "output"
    OUTPUT_AUDIO = "output_audio"
    WEB_SEARCH = "web_search"


# Which counts of an entry a measure of tokens is the sum of. Pictures: no report tells them apart.
COUNTED: Mapping[Measure, tuple[str, ...]] = {
    Measure.PROMPT: INPUT_CLASSES,
    Measure.ANSWER: OUTPUT_CLASSES,
    Measure.INPUT: ("input", "input_image"),
    Measure.CACHE_READ: ("cache_read",),
    Measure.CACHE_WRITE: tuple(name for name in INPUT_CLASSES if name.startswith("cache_write")),
    Measure.CACHE_WRITE_5M: ("cache_write_5m",),
    Measure.CACHE_WRITE_1H: ("cache_write_1h",),
    Measure.INPUT_AUDIO: ("input_audio",),
    Measure.OUTPUT: ("output", "output_image"),
    Measure.OUTPUT_AUDIO: ("output_audio",),
    Measure.WEB_SEARCH: ("web_search",),
}


class Cause(StrEnum):
    """Why an entry may differ from the bill. One entry can have several. The names are API."""

    INTERRUPTED = "interrupted"  # our process died under it; closed by estimate
    ESTIMATED = "estimated"  # its usage is not what the provider reported
    UNPRICED = "unpriced"  # it consumed something, or may have, and has no cost
    PARTIAL = "partial"  # the provider billed more than its usage can say
    RENAMED = "renamed"  # the answer named another model than the caller asked for
    OVER_MIDNIGHT = "over-midnight"  # it began on one day and ended on another
    PRICE_CHANGED = "price-changed"  # priced by another version than the day's first


class BillFile(msgspec.Struct, frozen=True):
    """A bill as text, and the name that errors call it by."""

    name: str
    text: str

    def fault(self, place: str, problem: str) -> Invalid:
        """Return the error that names file, place and problem."""
        return Invalid(f"{self.name}: {place}: {problem}", param="file")


class Line(msgspec.Struct, frozen=True):
    """One figure of a bill. ``name`` is a model, or the provider's own words for what is none."""

    day: str
    name: str
    measure: Measure
    amount: Decimal


class Bill(msgspec.Struct, frozen=True):
    """
    What a provider says.

    ``lines`` may repeat a day, name and measure: they add up. ``credits`` (below zero) stand apart
    and are in no sum. ``days`` are those the bill speaks of, with or without a figure.
    """

    days: frozenset[str]
    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]
    credits: tuple[Line, ...] = ()
    tiers: frozenset[str] = frozenset()  # service tiers that it shows on lines of their own
    surfaces: frozenset[str] = frozenset()  # the paths it is about; empty: all
    web_search_apart: bool = False  # searches are billed on a line of their own, without a model


class Group(msgspec.Struct, frozen=True):
    """Entries of one tenant that agree in all of this: what we booked, summed in the database."""

    day: str
    model: str  # that the provider billed: the answered one, else the one asked for
    price: str  # price version id; "" when unknown
    context: str  # the price's service tier; "" when unknown
    causes: frozenset[Cause]
    calls: int
    requests: int  # of these, calls that consumed something
    first_at: float  # Unix seconds of the first of them
    usd: Decimal | None
    counts: Mapping[str, int]
    web_search_rate: Decimal | None = None  # US dollars per thousand searches
    ids: tuple[str, ...] = ()  # of the first entries, at most IDS_SHOWN


class Explanation(msgspec.Struct, frozen=True):
    """Entries behind a row that share a cause; ``amount`` is in the row's own measure."""

    cause: Cause
    calls: int
    amount: Decimal | None
    ids: tuple[str, ...]


class Verdict(StrEnum):
    """How a row compares."""

    EQUAL = "equal"
    WITHIN = "within-tolerance"
    DIFFERS = "differs"
    UNKNOWN = "unknown"  # calls of ours have no known cost, and the others cost what was billed


class Row(msgspec.Struct, frozen=True):
    """
    One day, name and measure.

    ``theirs`` None: not on the bill; ``ours`` None: no call of ours, or none with a known cost.
    ``difference`` is theirs less ours: above zero, the provider billed more than the ledger knows.
    """

    day: str  # "" in a total
    name: str  # "" in a total
    measure: Measure
    theirs: Decimal | None
    ours: Decimal | None
    difference: Decimal
    verdict: Verdict
    explanations: tuple[Explanation, ...] = ()


class Reconciliation(msgspec.Struct, frozen=True):
    """Rows by day, name and measure; a total per measure; and what the bill left out."""

    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    credits: tuple[Line, ...]
    days_absent: tuple[str, ...]  # days of the period that the bill says nothing about

    @property
    def differs(self) -> bool:
        """Whether any row or total is off by more than the tolerance, or cannot be compared."""
        differing = (Verdict.DIFFERS, Verdict.UNKNOWN)
        return any(row.verdict in differing for row in (*self.rows, *self.totals))


class Tolerance(msgspec.Struct, frozen=True):
    """
    How far a row may be off and still pass.

    ``usd`` holds for money only: tokens and requests must then agree exactly. ``percent`` is of
    what the provider billed, and holds for every measure.
    """

    usd: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)

    def allows(self, measure: Measure, theirs: Decimal, difference: Decimal) -> bool:
        """Return whether ``difference`` passes."""
        share = EXACT.divide(EXACT.multiply(theirs, self.percent), Decimal(100))
        amount = self.usd if measure is Measure.USD else Decimal(0)
        return abs(difference) <= max(share, amount)


class Question(msgspec.Struct, frozen=True):
    """What is asked of a bill: days from ``first`` (included) to ``end`` (excluded) in ``tz``."""

    form: Form
    provider: str  # of the ledger's entries
    first: date
    end: date
    tz: str = "UTC"
    tolerance: Tolerance = Tolerance()
    allow_credits: bool = False
