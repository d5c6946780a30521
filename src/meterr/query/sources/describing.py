"""From what a tenant's database says of its tables to a catalogue, and to words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import msgspec

from meterr.query.catalogue import Catalogue, Column, Relation
from meterr.query.language.words import (
    ColumnWords,
    Kind,
    Metric,
    Reading,
    RelationWords,
    Words,
    read_words,
)
from meterr.query.run import DescribedColumn, DescribedRelation

_KINDS: Final = {
    "smallint": Kind.INTEGER, "integer": Kind.INTEGER, "bigint": Kind.INTEGER, "date": Kind.DATE,
    "boolean": Kind.BOOLEAN, "uuid": Kind.ID, "json": Kind.JSON, "jsonb": Kind.JSON,
}  # fmt: skip
_CATEGORIES: Final = {"N": Kind.NUMBER, "D": Kind.TIME, "A": Kind.LIST}
_MOMENTS: Final = (Kind.TIME, Kind.DATE)


@dataclass(frozen=True, slots=True)
class Line:
    """A column of a table, as the tenant's own database tells it."""

    schema: str
    relation: str
    about: str
    column: str
    type: str
    meaning: str
    category: str
    shared: bool
    held: bool


def catalogue_of(lines: Sequence[Line]) -> Catalogue:
    """Return what may be named: the granted columns of the chosen tables, the others hidden."""
    relations = [
        Relation(schema, name, tuple(Column(c.column, c.shared, c.type) for c in columns))
        for (schema, name), columns in _by_relation(lines)
    ]
    return Catalogue(relations, search_path_of(lines))


def search_path_of(lines: Sequence[Line]) -> tuple[str, ...]:
    """Return the schemas that bare names are looked up in, after pg_catalog."""
    return tuple(dict.fromkeys(line.schema for line in lines))


def described(lines: Sequence[Line]) -> tuple[DescribedRelation, ...]:
    """Return the tables in the words of their owners' comments."""
    return tuple(
        DescribedRelation(
            schema,
            name,
            columns[0].about,
            tuple(DescribedColumn(c.column, c.type, c.meaning) for c in columns if c.shared),
        )
        for (schema, name), columns in _by_relation(lines)
    )


def words_of(lines: Sequence[Line]) -> Words:
    """
    Return the tables in words: names, kinds and comments, and how many rows there are.

    No value of any row is in them. A time that "last month" is about is named only where a table
    has one that it can be.
    """
    relations: dict[str, RelationWords] = {}
    for (schema, name), columns in _by_relation(lines):
        shared = tuple(
            ColumnWords(name=each.column, kind=_kind(each), comment=each.meaning)
            for each in columns
            if each.shared
        )
        moments = [column.name for column in shared if column.kind in _MOMENTS]
        time = moments[0] if len(moments) == 1 else ""
        words = RelationWords(schema, name, shared, columns[0].about, time)
        relations.setdefault(name, words)  # of two with one name, the first can be spoken of
    metrics = tuple(
        Metric(f"number of {name}", (Reading(name, "count(*)"),), f"Rows of {name}.")
        for name in relations
    )
    return Words(tuple(relations.values()), metrics=metrics)


def with_owners_words(found: Words, text: str) -> Words:
    """
    Return what the database says, with what its owner says besides, in TOML.

    What there is and of what kind is the database's to say; comments, units, synonyms, values that
    a model may know, joins and metrics are the owner's. Raises Invalid.
    """
    if not text:
        return found
    told = read_words(text)
    own = {metric.name for metric in told.metrics}
    return Words(
        relations=tuple(_relation_told(each, told) for each in found.relations),
        joins=told.joins,
        metrics=(*told.metrics, *(each for each in found.metrics if each.name not in own)),
        notes=told.notes,
    )


def _relation_told(found: RelationWords, told: Words) -> RelationWords:
    relation = told.relation(found.name)
    if relation is None or relation.schema != found.schema:
        return found
    return msgspec.structs.replace(
        found,
        columns=tuple(_column_told(each, relation) for each in found.columns),
        comment=relation.comment or found.comment,
        time=relation.time or found.time,
        synonyms=relation.synonyms,
    )


def _column_told(found: ColumnWords, relation: RelationWords) -> ColumnWords:
    told = relation.column(found.name)
    if told is None:
        return found
    return msgspec.structs.replace(told, kind=found.kind, comment=told.comment or found.comment)


def _kind(line: Line) -> Kind:
    return _KINDS.get(line.type) or _CATEGORIES.get(line.category, Kind.TEXT)


def _by_relation(lines: Sequence[Line]) -> list[tuple[tuple[str, str], list[Line]]]:
    grouped = groupby(lines, lambda line: (line.schema, line.relation))
    return [(names, list(columns)) for names, columns in grouped]
