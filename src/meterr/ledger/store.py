"""The SQL of prices and of reading the ledger: one statement a function, no decision."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from meterr.core.clock import as_datetime
from meterr.core.limits import Holder
from meterr.core.principal import UnknownPrice
from meterr.core.sql import load_sql
from meterr.ledger.model import Price, Rate, State, Usage
from meterr.ledger.period import Cuts, Period
from meterr.ledger.price_override import NewOverride, PriceOverride
from meterr.ledger.report import Entry, EntryFilter, UpstreamMeaning
from meterr.ledger.verify import Difference, StoredEntry
from meterr.ledger.verify_leases import StoredLease, StoredPool

Connection = AsyncConnection[Any]
Row = dict[str, Any]

_SQL = load_sql("meterr.ledger")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USAGE_FIELDS = Usage.__struct_fields__
_VERIFY_BATCH_ROWS = 2_000


async def insert_price_override(conn: Connection, override_id: str, new: NewOverride) -> int:
    """Store an override; return when it was made, in Unix milliseconds of the database's clock."""
    ends = None if new.effective_to_ms is None else as_datetime(new.effective_to_ms)
    parameters = {
        "override_id": override_id,
        "provider": new.provider,
        "model": new.model,
        "context": new.context,
        "effective_from": as_datetime(new.effective_from_ms),
        "effective_to": ends,
        "rates": msgspec.json.encode(new.rates).decode(),
        "author": new.author,
        "reason": new.reason,
    }
    rows = await _rows(conn, "insert_price_override", parameters)
    return _unix_ms(rows[0]["created_at"])


async def list_price_overrides(conn: Connection) -> list[PriceOverride]:
    """Return every override, oldest first."""
    return [_override(row) for row in await _rows(conn, "list_price_overrides", {})]


async def record_upstream(conn: Connection, meaning: UpstreamMeaning) -> None:
    """Store what the name of an upstream means from now on."""
    await conn.execute(_SQL["record_upstream"], msgspec.structs.asdict(meaning))


async def list_price_versions(conn: Connection) -> list[Price]:
    """Return every price version that an entry may name."""
    return [_price(row) for row in await _rows(conn, "list_price_versions", {})]


async def prepare_sums(conn: Connection) -> None:
    """Make this transaction fit for sums over many rows."""
    await conn.execute(_SQL["prepare_sums"])


async def sum_usage(
    conn: Connection,
    tenant: str,
    period: Period,
    by: Mapping[str, bool],
    edges: Sequence[datetime],
    cuts: Cuts,
    rows_max: int,
) -> list[Row]:
    """Return one row per group; ``period`` in a row counts ``edges`` from 1."""
    parameters = {
        **{f"by_{name}": wanted for name, wanted in by.items()},
        "by_period": bool(edges),
        "edges": list(edges),
        "cut_hours": list(cuts.hours),
        "cut_days": list(cuts.days),
        "tenant": tenant,
        "since": period.since,
        "until": period.until,
        "rows": rows_max,
    }
    return await _rows(conn, "sum_usage", parameters)


async def cut_hour_without_rows(conn: Connection, tenant: str, cuts: Cuts) -> datetime | None:
    """Return the first hour of ``cuts`` that has figures and no raw rows any more."""
    parameters = {"tenant": tenant, "cut_hours": list(cuts.hours)}
    rows = await _rows(conn, "cut_hours_without_rows", parameters)
    return rows[0]["hour"] if rows else None


async def entries_before(
    conn: Connection,
    tenant: str,
    period: Period,
    wanted: EntryFilter,
    cursor: tuple[datetime, str],
    rows_max: int,
) -> list[Entry]:
    """Return the entries before ``cursor``, newest first."""
    parameters = _entry_parameters(tenant, period, wanted, cursor, rows_max)
    return [_entry(row) for row in await _rows(conn, "entries_before", parameters)]


async def entries_after(
    conn: Connection,
    tenant: str,
    period: Period,
    wanted: EntryFilter,
    cursor: tuple[datetime, str],
    rows_max: int,
    shown: Sequence[str] = (),
) -> list[Entry]:
    """Return the entries after ``cursor`` that are not among ``shown``, oldest first."""
    parameters = _entry_parameters(tenant, period, wanted, cursor, rows_max)
    rows = await _rows(conn, "entries_after", {**parameters, "shown": list(shown)})
    return [_entry(row) for row in rows]


async def unknown_tenants(conn: Connection) -> list[str]:
    """Return the tenants that stand in the ledger and do not exist."""
    return [row["tenant_id"] for row in await _rows(conn, "unknown_tenants", {})]


async def unknown_price_of(conn: Connection, tenant: str) -> UnknownPrice | None:
    """Return the tenant's rule for models without a price; None when there is no such tenant."""
    rows = await _rows(conn, "unknown_price_of", {"tenant": tenant})
    return UnknownPrice(rows[0]["unknown_price"]) if rows else None


@asynccontextmanager
async def entries_to_verify(
    conn: Connection, tenant: str
) -> AsyncIterator[AsyncIterator[StoredEntry]]:
    """Hold one snapshot of the tenant's entries open and stream it, whatever its size."""
    async with conn.cursor(name="entries_to_verify", row_factory=dict_row) as cursor:
        cursor.itersize = _VERIFY_BATCH_ROWS
        await cursor.execute(_SQL["entries_to_verify"], {"tenant": tenant})
        yield (_stored_entry(row) async for row in cursor)


async def repeated_ids(conn: Connection, tenant: str, ids: Sequence[str]) -> list[str]:
    """Return those of ``ids`` that more than one entry has."""
    rows = await _rows(conn, "repeated_ids", {"tenant": tenant, "ids": list(ids)})
    return [row["id"] for row in rows]


async def next_hour(conn: Connection, tenant: str, first: datetime) -> datetime | None:
    """Return the first hour from ``first`` on of which the tenant has entries or sums."""
    rows = await _rows(conn, "next_hour", {"tenant": tenant, "from": first})
    hour: datetime | None = rows[0]["hour"]
    return hour


async def compare_hour(conn: Connection, tenant: str, hour: datetime) -> Difference | None:
    """Compare an hour's sums with its entries; None when they agree or need not."""
    rows = await _rows(conn, "compare_hour", {"tenant": tenant, "hour": hour})
    return _difference(rows)


async def compare_day(conn: Connection, tenant: str, day: datetime) -> Difference | None:
    """Compare a day's sums with those of its hours; None when they agree."""
    rows = await _rows(conn, "compare_day", {"tenant": tenant, "day": day})
    return _difference(rows)


async def leases_to_verify(conn: Connection, tenant: str) -> list[StoredLease]:
    """Return the living budget leases whose every entry is still there."""
    rows = await _rows(conn, "leases_to_verify", {"tenant": tenant})
    return [StoredLease(**row) for row in rows]


async def pools_to_verify(conn: Connection, tenant: str) -> list[StoredPool]:
    """Return every window of the tenant's budgets with what its leases say."""
    return [StoredPool(**row) for row in await _rows(conn, "pools_to_verify", {"tenant": tenant})]


async def ledger_cost(
    conn: Connection,
    tenant: str,
    *,
    holder: Holder,
    subject: str,
    model: str,
    since: datetime,
    until: datetime,
) -> Decimal:
    """Return what the calls that a budget would hold for cost in US dollars, as far as known."""
    parameters = {
        "tenant": tenant,
        "holder": holder,
        "subject": subject,
        "model": model,
        "since": since,
        "until": until,
    }
    return Decimal((await _rows(conn, "ledger_cost", parameters))[0]["usd"])


def _difference(rows: Sequence[Row]) -> Difference | None:
    return Difference(**rows[0]) if rows else None


async def _rows(conn: Connection, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[name], parameters)
        return await cursor.fetchall()


def _entry_parameters(
    tenant: str,
    period: Period,
    wanted: EntryFilter,
    cursor: tuple[datetime, str],
    rows_max: int,
) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "since": period.since,
        "until": period.until,
        "cursor_at": cursor[0],
        "cursor_id": cursor[1],
        "model": wanted.model,
        "key": wanted.key,
        "state": wanted.state,
        "failed": wanted.failed,
        "unpriced": wanted.unpriced,
        "rows": rows_max,
    }


def _override(row: Row) -> PriceOverride:
    ends = row["effective_to"]
    return PriceOverride(
        override_id=row["override_id"],
        provider=row["provider"],
        model=row["model"],
        context=row["context"],
        effective_from_ms=_unix_ms(row["effective_from"]),
        effective_to_ms=None if ends is None else _unix_ms(ends),
        rates=msgspec.json.decode(row["rates"], type=dict[str, Rate]),
        author=row["author"],
        reason=row["reason"],
        created_at_ms=_unix_ms(row["created_at"]),
    )


def _price(row: Row) -> Price:
    return Price(
        id=row["price_id"],
        provider=row["provider"],
        model=row["model"],
        match=row["match"],
        source=row["source"],
        context=row["context"],
        rates=_readable_rates(row["rates"]),
    )


def _readable_rates(stored: str) -> dict[str, Rate]:
    try:
        return msgspec.json.decode(stored, type=dict[str, Rate])
    except msgspec.ValidationError:
        return {}  # gives no cost, and its digest tells verification that it was altered


def _entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        at=row["at"],
        key=row["key_id"],
        surface=row["surface"],
        upstream=row["upstream"],
        provider=row["provider"],
        model=row["model"],
        answered_model=row["answered_model"],
        price=row["price_id"],
        state=State(row["state"]),
        stream=row["stream"],
        status=row["status"],
        outcome=row["outcome"],
        error=row["error"],
        estimate=row["estimate"],
        usage=_usage(row),
        cost_usd=row["cost_usd"],
        drawn_usd=row["drawn_usd"],
        request_bytes=row["request_bytes"],
        answer_bytes=row["answer_bytes"],
        first_byte_ms=row["first_byte_ms"],
        duration_ms=row["duration_ms"],
        provider_request_id=row["provider_request_id"],
    )


def _stored_entry(row: Row) -> StoredEntry:
    cost_usd: Decimal | None = row["cost_usd"]
    return StoredEntry(
        id=row["id"],
        at=row["at"],
        key=row["key_id"],
        key_known=row["key_known"],
        provider=row["provider"],
        error=row["error"],
        price=row["price_id"],
        state=State(row["state"]),
        usage=_usage(row),
        cost_usd=cost_usd,
        unpartitioned=row["unpartitioned"],
        leases=tuple(row["leases"] or ()),
        drawn_usd=row["drawn_usd"],
    )


def _usage(row: Row) -> Usage | None:
    return Usage(*(row[name] for name in _USAGE_FIELDS)) if row["usage_known"] else None


def _unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
