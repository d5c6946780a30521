"""Rules for the tests of limits: made as an operator makes them, seen beside all walls."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import psycopg

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.limits import Holder, Measure, Span
from meterr.ledger.limits import LimitRecord, NewLimit, end_limit, set_limit
from support.meterr_house import House

_TAKEN = "select coalesce(sum(taken), 0) from meterr.limit_pool where limit_id = %s"
_SPENT = "select coalesce(sum(spent), 0) from meterr.limit_pool where limit_id = %s"
_EVENTS = "select percent from meterr.limit_event where limit_id = %s order by percent"
_SPANS = {Measure.USD: Span.TOTAL, Measure.CONCURRENCY: Span.CALL}


def set_rule(
    house: House,
    measure: Measure,
    amount: str,
    *,
    key: str = "",
    owner: str = "",
    **terms: Any,
) -> LimitRecord:
    """Put a rule in force for a key, an owner or the house's tenant."""
    holder = Holder.KEY if key else Holder.OWNER if owner else Holder.TENANT
    span = _SPANS.get(measure, Span.MINUTE)
    new = NewLimit(measure, holder, span, amount, subject=key or owner, **terms)
    return asyncio.run(_set(house, new))


def end_rule(house: House, rule: LimitRecord) -> None:
    """End a rule."""
    asyncio.run(_end(house, rule))


def taken(house: House, rule: LimitRecord) -> Decimal:
    """Return what all processes hold of a rule's windows, in use or not."""
    return _one(house, _TAKEN, rule)


def spent(house: House, rule: LimitRecord) -> Decimal:
    """Return what ledger entries drew from a rule's windows."""
    return _one(house, _SPENT, rule)


def drawn(entry: Mapping[str, Any]) -> Decimal:
    """Return what an entry drew from each of its budgets."""
    usd = entry["cost_usd"] if entry["drawn_usd"] is None else entry["drawn_usd"]
    return Decimal(usd or 0)


def events(house: House, rule: LimitRecord) -> list[int]:
    """Return the percentages that a budget was seen to reach."""
    with psycopg.connect(house.admin_dsn) as connection:
        return [row[0] for row in connection.execute(_EVENTS, (rule.limit_id,)).fetchall()]


def _one(house: House, statement: str, rule: LimitRecord) -> Decimal:
    with psycopg.connect(house.admin_dsn) as connection:
        row = connection.execute(statement.encode(), (rule.limit_id,)).fetchone()
    assert row is not None
    return Decimal(row[0])


async def _set(house: House, new: NewLimit) -> LimitRecord:
    async with Database.open(house.database_url, Role.APP) as db:
        return await set_limit(db, SystemClock(), house.tenant_id, new)


async def _end(house: House, rule: LimitRecord) -> None:
    async with Database.open(house.database_url, Role.APP) as db:
        await end_limit(db, house.tenant_id, rule.limit_id)
