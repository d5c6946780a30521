"""The SQL of reconciling: one statement a function, no decision."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg.rows import dict_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.ledger.model import INPUT_CLASSES, OUTPUT_CLASSES
from meterr.ledger.reconcile.days import Days
from meterr.ledger.reconcile.model import IDS_SHOWN, Cause, Group

_SQL = load_sql("meterr.ledger.reconcile")
_COUNTS = (*INPUT_CLASSES, *OUTPUT_CLASSES, "web_search")
_FLAGS = {
    Cause.INTERRUPTED: "interrupted",
    Cause.ESTIMATED: "estimated",
    Cause.UNPRICED: "unpriced",
    Cause.PARTIAL: "partial",
    Cause.RENAMED: "renamed",
    Cause.OVER_MIDNIGHT: "over_midnight",
}


class Scope(msgspec.Struct, frozen=True):
    """Which entries are meant: of one provider, on these days; ``surfaces`` empty: on any path."""

    provider: str
    surfaces: frozenset[str]
    days: Days


async def providers(conn: Connection) -> list[str]:
    """Return the providers of all upstreams that were ever configured."""
    cursor = await conn.execute(_SQL["providers"])
    return [str(row[0]) for row in await cursor.fetchall()]


async def sum_booked(conn: Connection, tenant: str, scope: Scope) -> list[Group]:
    """Return the sums of one tenant's entries."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["sum_booked"], _parameters(tenant, scope))
        return [_group(row, scope.days) for row in await cursor.fetchall()]


async def with_first_ids(
    conn: Connection, tenant: str, scope: Scope, groups: Sequence[Group]
) -> list[Group]:
    """Return one tenant's groups with the ids of their first entries."""
    labels = scope.days.labels
    wanted = sorted({(labels.index(group.day) + 1, group.model) for group in groups})
    parameters = _parameters(tenant, scope) | {
        "day_numbers": [number for number, _ in wanted],
        "models": [model for _, model in wanted],
        "shown": IDS_SHOWN,
    }
    ids: dict[object, list[str]] = {}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["first_booked"], parameters)
        for row in await cursor.fetchall():
            key = (labels[row["day_number"] - 1], row["billed_model"], row["price_id"])
            ids.setdefault((*key, _causes(row)), []).append(row["id"])
    return [
        msgspec.structs.replace(
            group, ids=tuple(ids.get((group.day, group.model, group.price, group.causes), ()))
        )
        for group in groups
    ]


def _parameters(tenant: str, scope: Scope) -> dict[str, Any]:
    edges = [edge.at for edge in scope.days.edges]
    return {
        "tenant": tenant,
        "provider": scope.provider,
        "surfaces": sorted(scope.surfaces),
        "edges": edges,
        "since": edges[0],
        "until": edges[-1],
    }


def _group(row: Mapping[str, Any], days: Days) -> Group:
    return Group(
        day=days.labels[row["day_number"] - 1],
        model=row["billed_model"],
        price=row["price_id"],
        context=row["context"],
        causes=_causes(row),
        calls=row["calls"],
        requests=row["requests"],
        first_at=row["first_at"],
        usd=row["cost_usd"],
        counts={name: int(row[name]) for name in _COUNTS},
        web_search_rate=row["web_search_rate"],
    )


def _causes(row: Mapping[str, Any]) -> frozenset[Cause]:
    return frozenset(cause for cause, column in _FLAGS.items() if row[column])
