"""The export's SQL: one statement a function, no decision. Acts as meterr_app."""

from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from psycopg.rows import dict_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.ledger.lake.days import Figures

_SQL = load_sql("meterr.ledger.lake")


class Place(NamedTuple):
    """A place in a tenant's day: what comes after it has a greater id, or the same and is later."""

    id: str = "00000000-0000-0000-0000-000000000000"
    at_us: int = -1


async def days_with_partition(conn: Connection, since: date, until: date) -> list[date]:
    """Return the days of the period that have a partition of their own."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["days_with_partition"], {"since": since, "until": until})
        return [row["day"] for row in await cursor.fetchall()]


async def figures_by_day(
    conn: Connection, tenant: str, since: date, until: date
) -> dict[date, Figures]:
    """Return the figures of each day of the period in which the tenant has entries."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["figures_by_day"], _parameters(tenant, since, until))
        return {
            row["day"]: Figures(row["entries"], int(row["tokens"]), row["cost_usd"])
            for row in await cursor.fetchall()
        }


async def copy_page(
    conn: Connection, tenant: str, since: date, until: date, after: Place, rows_max: int
) -> list[bytes]:
    """Return at most ``rows_max`` entries after ``after`` as lines of CSV."""
    page = {"after_id": after.id, "after_us": after.at_us, "rows": rows_max}
    parameters = {**_parameters(tenant, since, until), **page}
    async with (
        conn.cursor() as cursor,
        cursor.copy(_SQL["copy_page"], parameters) as copy,
    ):
        return [bytes(line) async for line in copy]


def place_of(row: bytes) -> Place:
    """Return the place of a row of ``copy_page``; its first columns are never quoted."""
    _, entry_id, at_us, _ = row.split(b",", 3)
    return Place(entry_id.decode(), int(at_us))


def _parameters(tenant: str, since: date, until: date) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "since": datetime.combine(since, time.min, UTC),
        "until": datetime.combine(until, time.min, UTC),
    }
