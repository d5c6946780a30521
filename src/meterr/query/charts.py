"""Which picture a result wants, decided by its types. Pure; no model has a say."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

BARS_MAX = 30
SERIES_MAX = 12
_NUMBERS = frozenset({"number", "integer"})
_TIMES = frozenset({"time", "date"})
_CATEGORIES = frozenset({"text", "boolean"})


class ChartKind(StrEnum):
    """How a result is shown first; the rows can always be seen as a table."""

    LINE = "line"
    BAR = "bar"
    FIGURE = "figure"
    TABLE = "table"


class Chart(msgspec.Struct, frozen=True):
    """
    A picture of a result. Columns are given by their place, since names may come twice.

    ``x`` is the time or the category, ``y`` the numbers; ``series`` splits a line by a category.
    """

    kind: ChartKind
    x: int | None = None
    y: tuple[int, ...] = ()
    series: int | None = None


class _Column(Protocol):
    @property
    def type(self) -> str: ...


TABLE = Chart(ChartKind.TABLE)


def chart(columns: Sequence[_Column], rows: Sequence[Sequence[object]]) -> Chart:
    """
    Choose: time and number a line, category and number bars, one number a figure, else a table.

    A line needs two points and at most 12 series; bars are 1 to 30, each category once.
    """
    numbers = _places(columns, _NUMBERS)
    times = _places(columns, _TIMES)
    categories = _places(columns, _CATEGORIES)
    others = len(columns) - len(numbers) - len(times) - len(categories)
    if not numbers or not rows or others:
        return TABLE
    if len(columns) == 1:
        return Chart(ChartKind.FIGURE, y=(0,)) if len(rows) == 1 else TABLE
    if len(times) == 1 and len(categories) <= 1:
        return _line(times[0], numbers, categories, rows)
    if len(categories) == 1 and not times and _is_set(rows, categories[0]):
        return Chart(ChartKind.BAR, categories[0], numbers) if len(rows) <= BARS_MAX else TABLE
    return TABLE


def _line(
    time: int,
    numbers: tuple[int, ...],
    categories: tuple[int, ...],
    rows: Sequence[Sequence[object]],
) -> Chart:
    if len({str(row[time]) for row in rows}) < 2:
        return TABLE
    if not categories:
        return Chart(ChartKind.LINE, time, numbers) if _is_set(rows, time) else TABLE
    if len(numbers) > 1 or len({str(row[categories[0]]) for row in rows}) > SERIES_MAX:
        return TABLE
    return Chart(ChartKind.LINE, time, numbers, categories[0])


def _places(columns: Sequence[_Column], types: frozenset[str]) -> tuple[int, ...]:
    return tuple(at for at, column in enumerate(columns) if column.type in types)


def _is_set(rows: Sequence[Sequence[object]], at: int) -> bool:
    return len({str(row[at]) for row in rows}) == len(rows)
