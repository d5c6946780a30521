"""What a model may ask for instead of writing SQL: names from the catalogue, and nothing else."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from meterr.query.language.periods import Range
from meterr.query.language.slips import slip

LIMIT_MAX = 1000
DIMENSIONS_MAX = 4
FILTERS_MAX = 8
VALUES_MAX = 50
VALUE_CHARS_MAX = 200
# Of all filters together. The guard reads 20,000 bytes and counts brackets, also those in quotes.
_VALUES_MAX = 60
_TEXT_BYTES_MAX = 3_000
_BRACKETS_MAX = 40
_AMPERSANDS_MAX = 40


class Grain(StrEnum):
    """The width of a step in time."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Order(StrEnum):
    """Which rows come first, and so which ones a limit keeps."""

    MOST = "most"
    LEAST = "least"


class Comparison(StrEnum):
    """How a column is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"
    NOT_IN = "not in"
    CONTAINS = "contains"
    MISSING = "is missing"
    PRESENT = "is present"


Value = str | bool | int | float


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One condition; all of them must hold."""

    column: str
    test: Comparison = Comparison.EQUAL
    value: Value | Annotated[tuple[Value, ...], Meta(max_length=VALUES_MAX)] | None = None


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question as names: ``range`` and ``grain`` are about the metric's own time."""

    metric: str
    dimensions: Annotated[tuple[str, ...], Meta(max_length=DIMENSIONS_MAX)] = ()
    filters: Annotated[tuple[Filter, ...], Meta(max_length=FILTERS_MAX)] = ()
    grain: Grain | None = None
    range: Range | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] | None = None
    order: Order = Order.MOST


def read_intent(raw: bytes) -> Intent:
    """
    Decode an intent, strictly.

    Raises ``Slip`` for unknown fields, wrong types, and values that no literal should hold.
    """
    try:
        intent = msgspec.json.decode(raw, type=Intent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        slip("shape", f"The intent does not have the agreed shape: {str(fault)[:120]}.")
    _require_bounded([value for each in intent.filters for value in values_of(each)])
    return intent


def _require_bounded(values: list[Value]) -> None:
    texts = [value for value in values if isinstance(value, str)]
    if any(len(text) > VALUE_CHARS_MAX or not text.isprintable() for text in texts):
        slip("value", f"A value is printable text of at most {VALUE_CHARS_MAX} characters.")
    whole = "".join(texts)
    if (
        len(values) > _VALUES_MAX
        or len(whole.encode()) > _TEXT_BYTES_MAX
        or whole.count("(") + whole.count("[") > _BRACKETS_MAX
        or whole.count("&") > _AMPERSANDS_MAX
    ):
        slip("value", f"There are too many values, or too much in them; at most {_VALUES_MAX}.")


def values_of(condition: Filter) -> tuple[Value, ...]:
    """Return the values of a filter, none or many."""
    if condition.value is None:
        return ()
    return condition.value if isinstance(condition.value, tuple) else (condition.value,)
