"""The SQL of security events: one statement a function, no decision."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from meterr.core.db import Connection
from meterr.core.events.model import Event, EventRow, Recorded
from meterr.core.policy import PLATFORM
from meterr.core.sql import load_sql

_SQL = load_sql("meterr.core.events")


class Span(NamedTuple):
    """From when on, and up to when."""

    since: datetime
    until: datetime


async def record(connection: Connection, event: Event) -> Recorded:
    """Add an event to the caller's transaction; the database gives it its time and id."""
    cursor = await connection.execute(
        _SQL["record"],
        {
            "tenant": event.tenant_id or PLATFORM,
            "kind": event.kind.value,
            "severity": event.severity.value,
            "outcome": event.outcome.value,
            "actor_kind": event.source.kind.value,
            "actor_id": event.source.actor_id,
            "target_kind": event.target.kind.value,
            "target_id": event.target.id,
            "network": event.source.network,
            "detail": Jsonb(dict(event.detail)),
        },
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("record_event returned nothing")
    event_id, at = row
    if not isinstance(event_id, str) or not isinstance(at, datetime):
        raise TypeError("record_event returned something else")
    return Recorded(event_id=event_id, at=at, kind=event.kind, tenant_id=event.tenant_id)


async def events_before(
    connection: Connection,
    tenant_id: str,
    span: Span,
    kinds: Sequence[str] | None,
    cursor: tuple[datetime, str],
    rows: int,
) -> list[EventRow]:
    """Return events before ``cursor``, newest first."""
    async with connection.cursor(row_factory=class_row(EventRow)) as found:
        await found.execute(
            _SQL["events_before"],
            {
                "tenant": tenant_id,
                "nobody": PLATFORM,
                "since": span.since,
                "until": span.until,
                "kinds": kinds,
                "cursor_at": cursor[0],
                "cursor_id": cursor[1],
                "rows": rows,
            },
        )
        return await found.fetchall()


async def events_since(
    connection: Connection,
    tenant_id: str,
    since: datetime,
    kinds: Sequence[str] | None,
    shown: Sequence[str],
    rows: int,
) -> list[EventRow]:
    """Return events from ``since`` on but for those in ``shown``, oldest first."""
    async with connection.cursor(row_factory=class_row(EventRow)) as found:
        await found.execute(
            _SQL["events_since"],
            {
                "tenant": tenant_id,
                "nobody": PLATFORM,
                "since": since,
                "kinds": kinds,
                "shown": shown,
                "rows": rows,
            },
        )
        return await found.fetchall()


async def ensure_days(connection: Connection, first: date, last: date) -> None:
    """Make the partitions of the UTC days ``first`` to ``last`` that are missing."""
    await connection.execute(_SQL["ensure_days"], {"first": first, "last": last})


async def drop_day(connection: Connection, before: date) -> date | None:
    """Drop the oldest day before ``before``; return it, or None."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["drop_day"], {"before": before})
        dropped: date | None = await cursor.fetchone()
        return dropped
