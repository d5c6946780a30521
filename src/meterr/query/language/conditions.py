"""One comparison of a column with values of its own kind. Pure."""

import math
import re
import uuid
from datetime import datetime
from decimal import Decimal

from meterr.query.language import sql_text
from meterr.query.language.intent import Comparison, Filter, Value, values_of
from meterr.query.language.slips import slip
from meterr.query.language.words import ColumnWords, Kind

_ORDERED = frozenset({Kind.NUMBER, Kind.INTEGER, Kind.TIME, Kind.DATE, Kind.TEXT})
_SIGNS = frozenset({Comparison.LESS, Comparison.AT_MOST, Comparison.MORE, Comparison.AT_LEAST})
_MAGNITUDE_MAX = 1e18
_MAGNITUDE_MIN = 1e-18
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?")


def comparison(place: str, column: ColumnWords, said: Filter) -> str:
    """
    Return one condition over the column that ``place`` writes.

    Raises ``Slip`` when the test or a value does not fit the column's kind.
    """
    if column.kind in {Kind.JSON, Kind.LIST}:
        slip("filter", f"{column.name} cannot be compared here; write SQL.")
    values = values_of(said)
    if said.test in {Comparison.MISSING, Comparison.PRESENT}:
        if values:
            slip("filter", f"The test {said.test} takes no value.")
        return f"{place} is {'' if said.test is Comparison.MISSING else 'not '}null"
    if said.test in {Comparison.IN, Comparison.NOT_IN} or len(values) > 1:
        return _among(place, column, said.test, values)
    if len(values) != 1:
        slip("filter", f"The test {said.test} takes one value.")
    if said.test is Comparison.CONTAINS:
        return _containing(place, column, values[0])
    if said.test in _SIGNS and column.kind not in _ORDERED:
        slip("filter", f"{column.name} has no order; use =, != or in.")
    # A row without a value is not that value either.
    sign = "is distinct from" if said.test is Comparison.UNEQUAL else said.test.value
    return f"{place} {sign} {literal(column, values[0])}"


def _among(place: str, column: ColumnWords, test: Comparison, values: tuple[Value, ...]) -> str:
    if not values or test not in {
        Comparison.IN,
        Comparison.NOT_IN,
        Comparison.EQUAL,
        Comparison.UNEQUAL,
    }:
        slip("filter", f"The test {test} does not take this many values.")
    listed = ", ".join(literal(column, value) for value in values)
    if test in {Comparison.IN, Comparison.EQUAL}:
        return f"{place} in ({listed})"
    return f"({place} is null or {place} not in ({listed}))"


def _containing(place: str, column: ColumnWords, value: Value) -> str:
    if column.kind is not Kind.TEXT or not isinstance(value, str):
        slip("filter", f"{column.name} is no text; only texts contain something.")
    return f"{place} ilike {sql_text.containing(value)}"


def literal(column: ColumnWords, value: Value) -> str:
    """Return a value as SQL. Raises ``Slip`` unless it is one of the column's kind."""
    written: str | None = None
    match column.kind, value:
        case Kind.TEXT, str():
            written = sql_text.text(value)
        case Kind.BOOLEAN, bool():
            written = "true" if value else "false"
        case ((Kind.NUMBER | Kind.INTEGER), _):
            written = _number(value)
        case ((Kind.TIME | Kind.DATE), str()) if _is_time(value):
            written = sql_text.text(value)
        case Kind.ID, str() if _is_id(value):
            written = sql_text.text(value)
        case _:
            pass
    if written is None:
        slip("value", f"{column.name} is compared with a value of the kind {column.kind}.")
    return written


def _number(value: Value) -> str | None:
    """Return digits, or None. Decimals may come as text, which no float has rounded."""
    if isinstance(value, str):
        return value if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not math.isfinite(value) or abs(value) > _MAGNITUDE_MAX:
        return None
    if isinstance(value, int) or value == 0:
        return str(int(value))
    if abs(value) < _MAGNITUDE_MIN:
        return None
    return format(Decimal(repr(value)), "f")


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
