"""The product's own runner, as the tenant that asks; and right answers, without the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from meterr.query import Catalogue
from meterr.query.run import Limits, Runner
from meterr.query.run.connection import QuestionConnection

_LIMITS = Limits(timeout_s=5)


class _AsTenant:
    """Sessions of the one login there is, with the names of the source in reach."""

    def __init__(self, dsn: str, path: tuple[str, ...]) -> None:
        self._dsn = dsn
        names = sql.SQL(", ").join(map(sql.Identifier, path))
        self._set_path = sql.SQL("set local search_path = {}").format(names)

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[QuestionConnection]:
        async with QuestionConnection.opened(self._dsn, _LIMITS) as connection:
            await connection.execute(self._set_path)
            yield connection


class _OneSource:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def catalogue(self, tenant_id: str) -> Catalogue:
        return self._catalogue


def runner_for(tenant_dsn: str, catalogue: Catalogue) -> Runner:
    """Return the runner of one source, with all walls, gates and caps of the product."""
    path = ("pg_catalog", *catalogue.search_path)
    return Runner(_OneSource(catalogue), _AsTenant(tenant_dsn, path), _LIMITS)


def gold_rows(tenant_dsn: str, statement: str) -> list[list[object]]:
    """Run what is known to be right, as the tenant."""
    with psycopg.connect(tenant_dsn) as connection:
        found = connection.execute(cast("LiteralString", statement)).fetchall()
    return [[_shown(value) for value in row] for row in found]


def _shown(value: object) -> object:
    """Return a value as an answer writes it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
