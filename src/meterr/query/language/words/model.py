"""Frozen types of a source in words. Text in them may be a tenant's own: data, never an order."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a column holds, in the words of an answer's columns."""

    NUMBER = "number"
    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    DATE = "date"
    ID = "id"
    LIST = "list"
    JSON = "json"


class ColumnWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One column. ``unit`` is how a person would say it ("US dollars", "ms").

    ``values`` are shown to the model: only values that anybody may know, like the states of a call.
    """

    name: str
    kind: Kind
    comment: str = ""
    unit: str = ""
    synonyms: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class RelationWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table or view. ``time`` names the column that a range of time is about, "" for none."""

    schema: str
    name: str
    columns: tuple[ColumnWords, ...]
    comment: str = ""
    time: str = ""
    synonyms: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnWords | None:
        """Return the column of this name."""
        return next((column for column in self.columns if column.name == name), None)


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each row of ``many`` has at most one row of ``one``: what is summed is never doubled."""

    many: str
    one: str
    on: tuple[tuple[str, str], ...]  # (column of many, column of one)


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to read a metric: an aggregate over ``relation``, with its columns qualified."""

    relation: str
    expression: str


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure that people ask for. The first reading that has what an intent names is taken."""

    name: str
    readings: tuple[Reading, ...]
    comment: str = ""
    unit: str = ""
    synonyms: tuple[str, ...] = ()


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that can be said about one source. Relations have one name each, whatever the schema."""

    relations: tuple[RelationWords, ...]
    joins: tuple[Join, ...] = ()
    metrics: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()

    def relation(self, name: str) -> RelationWords | None:
        """Return the relation of this name."""
        return next((each for each in self.relations if each.name == name), None)

    def joined(self, name: str) -> tuple[Join, ...]:
        """Return the joins that lead from ``name`` to the one row that belongs to a row of it."""
        return tuple(join for join in self.joins if join.many == name)
