"""The SQL of the ledger's upkeep: one statement a function, no decision."""

from datetime import date, datetime

from psycopg.rows import scalar_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL = load_sql("meterr.ledger.rollups")


async def ensure_partitions(connection: Connection, first: date, last: date) -> None:
    """Make the partitions of the UTC days ``first`` to ``last`` that are missing."""
    await connection.execute(_SQL["ensure_partitions"], {"first": first, "last": last})


async def roll_up(connection: Connection, ended_by: datetime) -> int:
    """Roll up the due hours of one tenant's day; return how many, 0 when there is nothing to do."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["roll_up"], {"ended_by": ended_by})
        return int(await cursor.fetchone() or 0)


async def thin_marks(connection: Connection) -> None:
    """Leave one mark of each due hour."""
    await connection.execute(_SQL["thin_marks"])


async def drop_day(connection: Connection, before: date) -> date | None:
    """Drop the oldest day before ``before`` that is rolled up; return it, or None."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["drop_day"], {"before": before})
        dropped: date | None = await cursor.fetchone()
        return dropped
