"""The SQL of limits: one statement a function, no decision. Acts as meterr_app, but for one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from meterr.core.limits import Holder, Measure, Span
from meterr.core.sql import load_sql
from meterr.ledger.limits.model import (
    Freed,
    LeaseRecord,
    LimitEvent,
    LimitRecord,
    ProcessRecord,
    amount_of,
    units,
)
from meterr.ledger.limits.window import Window

Connection = AsyncConnection[Any]
Row = dict[str, Any]

_SQL = load_sql("meterr.ledger.limits")


_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)  # psycopg has no infinity


class ProcessClosed(Exception):
    """This process was given up: what it held went back, and it may not borrow again."""


class Wish(NamedTuple):
    """What a lease tells its window; amounts in whole units. See meterr.exchange_lease."""

    measure: Measure
    tenant_id: str
    limit_id: str
    starts_at: datetime
    ends_at: datetime | None
    process: str
    lease_id: int | None
    known_granted: int
    parted_with: int
    owed: int
    want: int
    need: int
    least_need: int


class Lent(NamedTuple):
    """What the window answers: totals, and what remains for anybody (below 0 when it is over)."""

    lease_id: int
    granted: int
    remaining: int


async def exchange_lease(conn: Connection, wish: Wish) -> Lent | None:
    """Move a lease once; None when its rule is not in force. Raises ProcessClosed."""
    measure = wish.measure
    parameters = {
        **wish._asdict(),
        "ends_at": wish.ends_at or _NEVER,
        **{
            name: amount_of(measure, getattr(wish, name))
            for name in ("known_granted", "parted_with", "owed", "want", "need", "least_need")
        },
    }
    for row in await _rows_of_living(conn, "exchange_lease", parameters):
        return Lent(
            row["lease_id"], units(measure, row["granted"]), units(measure, row["remaining"])
        )
    return None


async def renew_leases(conn: Connection, process: str) -> set[int]:
    """
    Renew what ``process`` holds of rates and concurrency, of all tenants; return the leases.

    Raises ProcessClosed.
    """
    rows = await _rows_of_living(conn, "renew_leases", {"process": process})
    return {row["lease_id"] for row in rows}


async def prune_limits(conn: Connection) -> int:
    """Remove windows that ended more than 62 days ago; return how many."""
    return int((await _rows(conn, "prune_limits", {}))[0]["windows"])


async def upsert_limit(
    conn: Connection,
    tenant_id: str,
    *,
    measure: Measure,
    holder: Holder,
    subject: str,
    model: str,
    span: Span,
    amount: Decimal,
    hard: bool,
) -> LimitRecord:
    """Store a rule, or give the one in force for the same thing this amount."""
    parameters = {
        "tenant_id": tenant_id,
        "measure": measure,
        "holder": holder,
        "subject": subject,
        "model": model,
        "span": span,
        "amount": amount,
        "hard": hard,
    }
    return _record((await _rows(conn, "upsert_limit", parameters))[0])


async def line_of_key(conn: Connection, key_id: str) -> str | None:
    """Return the first key of the tenant's key's line, None when there is no such key."""
    rows = await _rows(conn, "line_of_key", {"key_id": key_id})
    return str(rows[0]["first_key_id"]) if rows else None


async def list_rules(conn: Connection, *, ended: bool) -> list[LimitRecord]:
    """Return the tenant's rules, oldest first, without their windows."""
    return [_record(row) for row in await _rows(conn, "list_rules", {"ended": ended})]


async def find_pools(
    conn: Connection, tenant_id: str, windows: Mapping[str, Window]
) -> dict[str, tuple[Decimal, Decimal]]:
    """Return taken and spent of the windows of limits; of one not drawn from, what it begins at."""
    parameters = {
        "tenant_id": tenant_id,
        "limits": list(windows),
        "starts": [window.starts_at for window in windows.values()],
        "ends": [window.ends_at or _NEVER for window in windows.values()],
    }
    rows = await _rows(conn, "find_pools", parameters)
    return {row["limit_id"]: (row["taken"], row["spent"]) for row in rows}


async def list_leases(conn: Connection, tenant_id: str) -> list[LeaseRecord]:
    """Return what processes hold of the tenant's limits, oldest limit first."""
    rows = await _rows(conn, "list_leases", {"tenant_id": tenant_id})
    return [LeaseRecord(**_named(row)) for row in rows]


async def find_process(conn: Connection, process: str) -> ProcessRecord | None:
    """Return a process that borrowed, or None."""
    rows = await _rows(conn, "find_process", {"process": process})
    return ProcessRecord(**rows[0]) if rows else None


async def close_process(conn: Connection, process: str) -> list[Freed]:
    """Take back what a process holds, for good; return what budgets got. Acts as meterr_drain."""
    return [Freed(**row) for row in await _rows(conn, "close_process", {"process": process})]


async def time_zone_of(conn: Connection, tenant_id: str) -> str | None:
    """Return the tenant's time zone; None when there is no such tenant."""
    rows = await _rows(conn, "time_zone_of", {"tenant_id": tenant_id})
    return str(rows[0]["time_zone"]) if rows else None


async def end_limit(conn: Connection, limit_id: str) -> bool:
    """End a rule; False when none of that id is in force."""
    return bool(await _rows(conn, "end_limit", {"limit_id": limit_id}))


async def list_events(
    conn: Connection,
    since: datetime,
    before: tuple[datetime, str, datetime, int],
    rows_max: int,
) -> list[LimitEvent]:
    """Return the tenant's events from ``since`` on and before that one, newest first."""
    at, limit_id, starts_at, percent = before
    parameters = {
        "since": since,
        "at": at,
        "limit_id": limit_id,
        "starts_at": starts_at,
        "percent": percent,
        "rows": rows_max,
    }
    return [LimitEvent(**_named(row)) for row in await _rows(conn, "list_events", parameters)]


async def _rows_of_living(conn: Connection, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    try:
        return await _rows(conn, name, parameters)
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise ProcessClosed(str(error)) from error


async def _rows(conn: Connection, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[name], parameters)
        return await cursor.fetchall()


def _record(row: Row) -> LimitRecord:
    return LimitRecord(**_named(row))


def _named(row: Row) -> Row:
    """Return the row with its words as the types that they are."""
    row["holder"] = Holder(row.pop("scope"))
    row["measure"] = Measure(row["measure"])
    row["span"] = Span(row["span"])
    return row
