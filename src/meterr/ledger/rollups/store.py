"""The SQL of the ledger's upkeep: one statement a function, no decision."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from psycopg.rows import class_row, scalar_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL = load_sql("meterr.ledger.rollups")


async def ensure_partitions(connection: Connection, first: date, last: date) -> None:
    """Make the partitions of the UTC days ``first`` to ``last`` that are missing."""
    await connection.execute(_SQL["ensure_partitions"], {"first": first, "last": last})


class DueDay(NamedTuple):
    """A UTC day with hours to sum, and the tenants whose they are."""

    day: datetime
    tenants: Sequence[str]


async def next_due_day(
    connection: Connection, ended_by: datetime, after: datetime
) -> DueDay | None:
    """Return the first day after ``after`` that has due hours; None: no more, or not our turn."""
    async with connection.cursor(row_factory=class_row(DueDay)) as cursor:
        await cursor.execute(_SQL["next_due_day"], {"ended_by": ended_by, "after": after})
        return await cursor.fetchone()


async def roll_up(connection: Connection, tenant: str, day: datetime, ended_by: datetime) -> int:
    """Roll up the due hours of one tenant's day; return how many, 0 when it is not our turn."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        parameters = {"tenant": tenant, "day": day, "ended_by": ended_by}
        await cursor.execute(_SQL["roll_up"], parameters)
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


async def oldest_late_hour(connection: Connection, tenant: str, late: timedelta) -> datetime | None:
    """Return the tenant's oldest due hour that ended longer than ``late`` ago."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["oldest_late_hour"], {"tenant": tenant, "late": late})
        hour: datetime | None = await cursor.fetchone()
        return hour
