"""
An intent becomes SQL: always the same text for the same intent, words and day. Pure.

Identifiers come from the words alone, values are literals of a checked kind. What comes out is
judged by the guard like any other statement; a law in the tests says that it always passes.
"""

from collections.abc import Iterable
from datetime import date

import msgspec

from meterr.query.language import sql_text
from meterr.query.language.conditions import comparison
from meterr.query.language.intent import LIMIT_MAX, Filter, Grain, Intent, Order
from meterr.query.language.lookup import by_name, nearest
from meterr.query.language.periods import days_of
from meterr.query.language.slips import Slip, slip
from meterr.query.language.words import (
    ColumnWords,
    Join,
    Kind,
    Metric,
    Reading,
    RelationWords,
    Words,
)

_UNGROUPED = frozenset({Kind.JSON, Kind.LIST})
_DATED = frozenset({Kind.TIME, Kind.DATE})


class _Place(msgspec.Struct, frozen=True):
    """A column where the statement finds it; ``join`` None: in the relation of the metric."""

    relation: RelationWords
    column: ColumnWords
    join: Join | None

    @property
    def sql(self) -> str:
        return sql_text.column(self.relation.name, self.column.name)


def compile_intent(intent: Intent, words: Words, today: date) -> str:
    """
    Return the one SELECT that an intent means.

    Args:
        words: What this identity may hear of, see ``visible``.
        today: The day that ranges end with, UTC.

    Raises ``Slip`` for a name that is not in the words, or a value that does not fit its column.
    """
    metric = _metric(intent.metric, words)
    slips: list[Slip] = []
    for reading in metric.readings:
        try:
            return _Compilation(intent, words, metric, reading).text(today)
        except Slip as fault:
            slips.append(fault)
    # The last reading is the widest: what it lacks, no other has.
    raise slips[-1]


def _metric(said: str, words: Words) -> Metric:
    found = by_name(said, words.metrics, lambda metric: (metric.name, metric.synonyms))
    if found is None:
        known = nearest(said, [metric.name for metric in words.metrics])
        slip("metric", f"There is no such metric. {known} If none fits, write SQL.")
    return found


class _Compilation:
    """One intent over one reading of its metric."""

    def __init__(self, intent: Intent, words: Words, metric: Metric, reading: Reading) -> None:
        self._intent = intent
        self._words = words
        self._metric = metric
        self._reading = reading
        self._base = next(each for each in words.relations if each.name == reading.relation)
        self._joins: list[Join] = []

    def text(self, today: date) -> str:
        step = self._step()
        places = [self._grouped(said) for said in self._intent.dimensions]
        conditions = [*self._range(today), *(self._condition(f) for f in self._intent.filters)]
        labels = _labels([*([self._intent.grain] if step else []), *places, self._metric.name])
        terms = [*([step] if step else []), *(place.sql for place in places)]
        columns = [
            f"{term} as {sql_text.name(label)}"
            for term, label in zip([*terms, self._reading.expression], labels, strict=True)
        ]
        groups = ", ".join(str(number) for number in range(1, len(terms) + 1))
        lines = [
            "select",
            *_listed(columns),
            f"from {sql_text.qualified(self._base)}",
            *(self._joined(join) for join in self._joins),
            *_led("where", conditions),
            *(
                [f"group by {groups}", f"order by {self._ordering(len(terms), step)}"]
                if terms
                else []
            ),
            *([f"limit {self._intent.limit or LIMIT_MAX}"] if terms else []),
        ]
        return "\n".join(lines)

    def _step(self) -> str | None:
        grain = self._intent.grain
        if grain is None:
            return None
        time = self._time("grain")
        if grain is Grain.HOUR:
            if time.kind is Kind.DATE:
                slip("grain", f"{self._base.name} has days, no hours.")
            return f"date_trunc('{grain}', {self._time_sql(time)})"
        return f"date_trunc('{grain}', {self._time_sql(time)})::date"

    def _time(self, what: str) -> ColumnWords:
        column = self._base.column(self._base.time)
        if column is None or column.kind not in _DATED:
            slip(what, f"{self._metric.name} has no time; leave out range and grain.")
        return column

    def _time_sql(self, time: ColumnWords) -> str:
        return sql_text.column(self._base.name, time.name)

    def _range(self, today: date) -> list[str]:
        if self._intent.range is None:
            return []
        time = self._time_sql(self._time("range"))
        days = days_of(self._intent.range, today)
        bounds = ((">=", days.first), ("<", days.end))
        return [f"{time} {sign} '{day.isoformat()}'" for sign, day in bounds if day is not None]

    def _ordering(self, terms: int, step: str | None) -> str:
        """By time where there are steps and all of them stay; else by size; ties by name."""
        value = f"{terms + 1} {'desc' if self._intent.order is Order.MOST else 'asc'} nulls last"
        names = [str(number) for number in range(1, terms + 1)]
        if step and self._intent.limit is None:
            return ", ".join([names[0], value, *names[1:]])
        return ", ".join([value, *names])

    def _grouped(self, said: str) -> _Place:
        place = self._place(said)
        if place.column.kind in _UNGROUPED:
            slip("dimension", f"{place.column.name} cannot be grouped by here; write SQL.")
        return place

    def _place(self, said: str) -> _Place:
        """Find a column by its name, in the metric's relation first, then one join away."""
        relation, _, bare = said.rpartition(".")
        found = self._find(self._base, None, relation, bare)
        if found is None:
            reached = [
                self._find(one, join, relation, bare)
                for join in self._words.joined(self._base.name)
                if (one := self._words.relation(join.one)) is not None
            ]
            candidates = [each for each in reached if each is not None]
            if len(candidates) > 1:
                slip("column", f"{bare} is in several relations; write relation.column.")
            found = candidates[0] if candidates else None
        if found is None:
            slip("column", f"No such column belongs to {self._metric.name}. {self._columns(bare)}")
        if found.join is not None and found.join not in self._joins:
            self._joins.append(found.join)
        return found

    def _find(
        self, where: RelationWords, join: Join | None, relation: str, bare: str
    ) -> _Place | None:
        if relation and relation not in {where.name, f"{where.schema}.{where.name}"}:
            return None
        column = by_name(bare, where.columns, lambda each: (each.name, each.synonyms))
        return None if column is None else _Place(where, column, join)

    def _columns(self, said: str) -> str:
        ones = (self._words.relation(join.one) for join in self._words.joined(self._base.name))
        near = [self._base, *(one for one in ones if one is not None)]
        return nearest(said, [column.name for relation in near for column in relation.columns])

    def _joined(self, join: Join) -> str:
        one = self._words.relation(join.one)
        if one is None:  # visible() keeps no such join
            slip("column", "A join leads nowhere.")
        on = " and ".join(
            f"{sql_text.column(join.one, theirs)} = {sql_text.column(join.many, ours)}"
            for ours, theirs in join.on
        )
        return f"left join {sql_text.qualified(one)} on {on}"

    def _condition(self, condition: Filter) -> str:
        place = self._place(condition.column)
        return comparison(place.sql, place.column, condition)


def _labels(parts: Iterable[object]) -> list[str]:
    """Name the columns of the result: short where that is clear, numbered where it is not."""
    labels: list[str] = []
    for part in parts:
        label = part.column.name if isinstance(part, _Place) else str(part)
        if label in labels and isinstance(part, _Place):
            label = f"{part.relation.name}_{label}"[:63]
        while label in labels:
            label = f"{label[:60]}_2"
        labels.append(label)
    return labels


def _listed(columns: list[str]) -> list[str]:
    last = len(columns) - 1
    return [f"  {column}{',' if at < last else ''}" for at, column in enumerate(columns)]


def _led(word: str, conditions: list[str]) -> list[str]:
    return [
        f"{word if at == 0 else '  and'} {condition}" for at, condition in enumerate(conditions)
    ]
