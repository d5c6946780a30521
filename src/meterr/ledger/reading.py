"""Use cases of reading the ledger: exact sums over a period, and entries page by page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from meterr.core.db import Database
from meterr.core.errors import Invalid
from meterr.core.money import EXACT
from meterr.ledger import store
from meterr.ledger.model import Usage
from meterr.ledger.period import Bucket, Edge, Period, cuts_of, edges_of, period_of, zone_of
from meterr.ledger.report import (
    Dimension,
    Entry,
    EntryFilter,
    EntryPage,
    UsageReport,
    UsageRow,
    checked_filter,
)

# A report that nobody can read is a mistake in the question; the answer says so.
USAGE_ROWS_MAX = 10_000
PAGE_ROWS_MAX = 1_000

_TIME = {Dimension.DAY: Bucket.DAY, Dimension.HOUR: Bucket.HOUR}
_COLUMNS = tuple(dimension for dimension in Dimension if dimension not in _TIME)
_COUNTS = ("calls", "refused", "interrupted", "failed", "unpriced", "estimated", "partial")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9]{1,17})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_LOWEST_ID = "00000000-0000-0000-0000-000000000000"
_HIGHEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


async def usage(
    db: Database,
    tenant: str,
    *,
    by: Sequence[Dimension],
    since: date | datetime,
    until: date | datetime,
    tz: str = "UTC",
) -> UsageReport:
    """
    Sum one tenant's entries from ``since`` (inclusive) to ``until`` (exclusive), exactly.

    Dates and naive times are read in the IANA zone ``tz``, which also draws the days and hours.
    Reads rollups where there are some and raw entries elsewhere: the answer is the same, also while
    rollups are being made. Raises ``Invalid`` for an unknown zone, an empty period, a doubled
    dimension, day with hour, an answer of more than USAGE_ROWS_MAX rows, or a part of an hour whose
    entries retention has dropped.
    """
    period = period_of(since, until, zone_of(tz))
    edges = _edges(by, period)
    cuts = cuts_of(period, edges)
    async with db.tenant_transaction(tenant) as conn:
        await store.prepare_sums(conn)
        rows = await store.sum_usage(
            conn,
            tenant,
            period,
            {column.value: column in by for column in _COLUMNS},
            [edge.at for edge in edges],
            cuts,
            USAGE_ROWS_MAX + 1,
        )
        # Asked after the sum: what went in between is refused, never missed.
        gone = await store.cut_hour_without_rows(conn, tenant, cuts)
    if gone is not None:
        raise Invalid(
            f"The entries of {gone.date().isoformat()} were dropped (ledger.retention_days); of "
            f"that day, ask for whole hours of UTC: the one from {gone:%H:%M} UTC is cut.",
            param="from",
        )
    if len(rows) > USAGE_ROWS_MAX:
        raise Invalid(
            f"More than {USAGE_ROWS_MAX:,} rows; ask for a shorter period or fewer dimensions.",
            param="by",
        )
    names = ["period" if dimension in _TIME else dimension.value for dimension in by]
    rows.sort(key=lambda row: [row[name] for name in names])
    found = tuple(_usage_row(row, by, edges) for row in rows)
    return UsageReport(found, _total(found))


async def entries(
    db: Database,
    tenant: str,
    *,
    since: date | datetime,
    until: date | datetime,
    tz: str = "UTC",
    wanted: EntryFilter | None = None,
    after: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> EntryPage:
    """
    Return one page of a tenant's entries in order of time.

    ``after`` is the ``next`` of the page before, asked with the same arguments. A page costs the
    same however deep it lies. Raises ``Invalid`` for a filter that can match nothing, a cursor that
    is none of ours and a limit outside 1 to PAGE_ROWS_MAX. An entry appears when its call has
    ended and the drain has run.
    """
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise Invalid(f"limit must be 1 to {PAGE_ROWS_MAX:,}.", param="limit")
    wanted = checked_filter(wanted or EntryFilter())
    period = period_of(since, until, zone_of(tz))
    start = (period.until, _HIGHEST_ID) if newest_first else (period.since, _LOWEST_ID)
    cursor = start if after is None else _read_cursor(after)
    read = store.entries_before if newest_first else store.entries_after
    async with db.tenant_transaction(tenant) as conn:
        found = await read(conn, tenant, period, wanted, cursor, limit + 1)
    page = tuple(found[:limit])
    return EntryPage(page, _cursor(page[-1]) if len(found) > limit else None)


def _edges(by: Sequence[Dimension], period: Period) -> tuple[Edge, ...]:
    times = [_TIME[dimension] for dimension in by if dimension in _TIME]
    if len(set(by)) != len(by):
        raise Invalid("Each dimension may be named once.", param="by")
    if len(times) > 1:
        raise Invalid("Split by day or by hour, not both.", param="by")
    return edges_of(period, times[0]) if times else ()


def _usage_row(row: Mapping[str, Any], by: Iterable[Dimension], edges: Sequence[Edge]) -> UsageRow:
    return UsageRow(
        group={
            dimension: edges[row["period"] - 1].label if dimension in _TIME else row[dimension]
            for dimension in by
        },
        **{name: int(row[name]) for name in _COUNTS},
        cost_usd=row["cost_usd"],
        usage=Usage(**{name: int(row[name]) for name in Usage.__struct_fields__}),
    )


def _total(rows: Sequence[UsageRow]) -> UsageRow:
    cost_usd = None
    for row in rows:
        if row.cost_usd is not None:
            cost_usd = row.cost_usd if cost_usd is None else EXACT.add(cost_usd, row.cost_usd)
    return UsageRow(
        group={},
        **{name: sum(getattr(row, name) for row in rows) for name in _COUNTS},
        cost_usd=cost_usd,
        usage=Usage(
            **{
                name: sum(getattr(row.usage, name) for row in rows)
                for name in Usage.__struct_fields__
            }
        ),
    )


def _cursor(entry: Entry) -> str:
    # The row's own time beside its id: even a row whose id lies about its time is passed only once.
    return f"{(entry.at - _EPOCH) // _MICROSECOND}.{entry.id}"


def _read_cursor(text: str) -> tuple[datetime, str]:
    parts = _CURSOR.fullmatch(text)
    if parts is None:
        raise Invalid("The cursor is not one that a page of entries gave.", param="after")
    return _EPOCH + int(parts[1]) * _MICROSECOND, parts[2]
