"""Rules and what came of them: one function is one use case is one transaction."""

from collections.abc import Sequence
from typing import Final

import msgspec

from meterr.core.clock import Clock, as_datetime
from meterr.core.db import Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.ledger.limits import store
from meterr.ledger.limits.model import NO_TENANT, LimitEvent, LimitRecord, NewLimit
from meterr.ledger.limits.terms import checked, checked_amount, is_uuid
from meterr.ledger.limits.window import window_at
from meterr.ledger.period import Period

EVENTS_MAX: Final = 1_000


async def set_limit(db: Database, clock: Clock, tenant_id: str, new: NewLimit) -> LimitRecord:
    """
    Store a rule; one in force with the same measure, holder, subject, model and span is changed.

    Every process holds to it before long, as it does to a changed key. A higher or lower amount
    counts for the present window too, with what was spent of it already. The present window of a
    new budget holds what the ledger has of it, as the returned record says; calls that run at this
    moment may be missing there.

    Raises:
        Invalid: Terms that cannot be meant; ``param`` says which.
        NotFound: There is no such tenant, or no such key of it.
    """
    sound = checked(new)
    if sound.holder is Holder.UPSTREAM:
        raise Invalid(
            "How many calls an upstream takes at once stands in the configuration file.",
            param="holder",
        )
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as conn:
        zone = await store.time_zone_of(conn, tenant_id)
        if zone is None:
            raise NotFound("There is no such tenant.")
        if sound.holder is Holder.KEY:
            line = await store.line_of_key(conn, sound.subject)
            if line is None:
                raise NotFound("There is no such key.")
            sound = msgspec.structs.replace(sound, subject=line)
        rule = await _upsert(conn, tenant_id, sound)
        return (await _drawn(conn, clock, tenant_id, zone, [rule]))[0]


async def list_limits(
    db: Database, clock: Clock, tenant_id: str, *, ended: bool = False
) -> list[LimitRecord]:
    """
    Return a tenant's rules, oldest first, each with what its present window has taken and spent.

    With ``ended`` also those that are no longer in force. Raises NotFound for an unknown tenant.
    """
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as conn:
        zone = await store.time_zone_of(conn, tenant_id)
        if zone is None:
            raise NotFound("There is no such tenant.")
        rules = await store.list_rules(conn, ended=ended)
        return await _drawn(conn, clock, tenant_id, zone, rules)


async def end_limit(db: Database, tenant_id: str, limit_id: str) -> None:
    """End a rule; calls are not held to it any more. Raises NotFound when none is in force."""
    found = False
    if is_uuid(tenant_id) and is_uuid(limit_id):
        async with db.tenant_transaction(tenant_id) as conn:
            found = await store.end_limit(conn, limit_id)
    if not found:
        raise NotFound("There is no such limit in force.")


async def limit_events(
    db: Database,
    tenant_id: str,
    period: Period,
    *,
    before: LimitEvent | None = None,
    limit: int = EVENTS_MAX,
) -> list[LimitEvent]:
    """
    Return a tenant's budget events, newest first: windows that reached 50, 80, 95 or 100 %.

    ``before`` is the last of the page before; ``limit`` is 1 to 1,000. An event appears with the
    ledger entry that caused it, once the drain has run.
    """
    if not 1 <= limit <= EVENTS_MAX:
        raise Invalid(f"limit must be 1 to {EVENTS_MAX:,}.", param="limit")
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    cursor = (period.until, NO_TENANT, period.until, 0)
    if before is not None:
        cursor = (before.at, before.limit_id, before.starts_at, before.percent)
    async with db.tenant_transaction(tenant_id) as conn:
        return await store.list_events(conn, period.since, cursor, limit)


async def ensure_upstream_limit(db: Database, name: str, amount: int) -> Limit:
    """Hold all calls to the upstream ``name``, of every tenant, to ``amount`` at once."""
    new = NewLimit(
        measure=Measure.CONCURRENCY,
        holder=Holder.UPSTREAM,
        span=Span.CALL,
        amount=str(amount),
        subject=name,
    )
    sound = checked(new)
    async with db.tenant_transaction(NO_TENANT) as conn:
        record = await _upsert(conn, NO_TENANT, sound)
    return Limit(
        limit_id=record.limit_id,
        measure=record.measure,
        holder=record.holder,
        span=record.span,
        amount=record.amount,
    )


async def _drawn(
    conn: store.Connection, clock: Clock, tenant_id: str, zone: str, rules: Sequence[LimitRecord]
) -> list[LimitRecord]:
    """Return the rules with their present windows."""
    now = as_datetime(clock.unix_ms())
    windows = {rule.limit_id: window_at(rule.span, zone, now) for rule in rules}
    drawn = await store.find_pools(conn, tenant_id, windows)
    return [
        msgspec.structs.replace(
            rule,
            starts_at=windows[rule.limit_id].starts_at,
            ends_at=windows[rule.limit_id].ends_at,
            taken=drawn[rule.limit_id][0],
            spent=drawn[rule.limit_id][1],
        )
        for rule in rules
    ]


async def _upsert(conn: store.Connection, tenant_id: str, sound: NewLimit) -> LimitRecord:
    return await store.upsert_limit(
        conn,
        tenant_id,
        measure=sound.measure,
        holder=sound.holder,
        subject=sound.subject,
        model=sound.model,
        span=sound.span,
        amount=checked_amount(sound.measure, sound.amount),
        hard=sound.hard,
    )
