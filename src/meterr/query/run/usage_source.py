"""The source ``usage``: meterr's own views over the ledger, the same for every tenant."""

from itertools import groupby
from typing import Final, NamedTuple, Self

import msgspec
from psycopg.rows import class_row

from meterr.core.db import Database
from meterr.core.sql import load_sql
from meterr.query.catalogue import Catalogue, Column, Relation

SCHEMA: Final = "usage"
_SQL: Final = load_sql("meterr.query.run")


class DescribedColumn(msgspec.Struct, frozen=True):
    """A column in words: its type as PostgreSQL names it, its meaning with the unit."""

    name: str
    type: str
    meaning: str


class DescribedRelation(msgspec.Struct, frozen=True):
    """A view in words, its columns in their order."""

    schema: str
    name: str
    about: str
    columns: tuple[DescribedColumn, ...]


class _Line(NamedTuple):
    relation: str
    about: str
    column: str
    type: str
    meaning: str


class UsageSource:
    """What the database says about the views, read once: it changes with the schema only."""

    def __init__(self, relations: tuple[DescribedRelation, ...]) -> None:
        self._relations = relations
        self._catalogue = Catalogue(
            (
                Relation(
                    SCHEMA, each.name, tuple(Column(c.name, type=c.type) for c in each.columns)
                )
                for each in relations
            ),
            search_path=(SCHEMA,),
        )

    @classmethod
    async def read(cls, db: Database) -> Self:
        """Read the views from a database seen as ``Role.APP``. Raises DatabaseUnavailable."""
        async with (
            db.session() as connection,
            connection.cursor(row_factory=class_row(_Line)) as cursor,
        ):
            await cursor.execute(_SQL["describe_usage"])
            lines = await cursor.fetchall()
        return cls(
            tuple(
                DescribedRelation(
                    SCHEMA,
                    name,
                    about,
                    tuple(DescribedColumn(each.column, each.type, each.meaning) for each in group),
                )
                for (name, about), group in groupby(lines, lambda line: (line.relation, line.about))
            )
        )

    def catalogue(self, tenant_id: str) -> Catalogue:
        """Return what questions may name: every tenant has the same views and its own rows."""
        del tenant_id
        return self._catalogue

    def described(self) -> tuple[DescribedRelation, ...]:
        """Return the views in words, for people and models."""
        return self._relations
