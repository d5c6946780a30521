"""Use case of verifying the ledger: read everything once, recompute everything, change nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from meterr.core.db import Connection, Database
from meterr.ledger import store
from meterr.ledger.verify import LedgerReport, Verification
from meterr.ledger.verify_leases import LeaseSums

_PROGRESS_EVERY = 10_000
_MISPLACED_MAX = 10_000
_HOUR = timedelta(hours=1)


async def verify_ledger(
    db: Database,
    tenants: Sequence[str],
    *,
    on_progress: Callable[[int], None] = lambda entries: None,
    on_hours: Callable[[int], None] = lambda hours: None,
) -> LedgerReport:
    """
    Recompute each entry of ``tenants`` from its token vector and price, and compare exactly.

    Then compare the sums of every hour that is not due, and of every day, with what they sum up,
    what living leases of budgets spent with what the entries that name them drew, and what the
    windows of budgets lent and spent with their leases.

    Entries of tenants that do not exist are found and judged too, whoever was asked for. Reads each
    tenant in one snapshot and streams it: memory does not grow with the ledger. Proves that entries
    agree with themselves, their prices, tenants and keys; that none is missing is for the
    provider's own figures to tell. Ids are compared within a tenant, not between tenants.
    ``on_progress`` is told the number of entries read so far, ``on_hours`` that of hours compared.
    """
    verification = Verification()
    async with db.transaction() as conn:
        unknown = await store.unknown_tenants(conn)
    for tenant in dict.fromkeys((*tenants, *unknown)):
        async with db.tenant_transaction(tenant, one_snapshot=True) as conn:
            verification.begin_tenant(tenant, await store.unknown_price_of(conn, tenant))
            await _verify_tenant(conn, tenant, verification, on_progress)
            await _compare_sums(conn, tenant, verification, on_hours)
    return verification.report()


async def _verify_tenant(
    conn: Connection,
    tenant: str,
    verification: Verification,
    on_progress: Callable[[int], None],
) -> None:
    misplaced: set[str] = set()
    sums = LeaseSums(await store.leases_to_verify(conn, tenant))
    pools = await store.pools_to_verify(conn, tenant)
    async with store.entries_to_verify(conn, tenant) as stored:
        verification.learn_prices(await store.list_price_versions(conn))
        async for entry in stored:
            sums.add(entry.leases, entry.drawn)
            # One id has one time in it. Of two entries with that id at least one is misplaced, so
            # those are the only ids that need looking up.
            if verification.inspect(tenant, entry):
                misplaced.add(entry.id)
            if len(misplaced) >= _MISPLACED_MAX:
                verification.repeated(tenant, await store.repeated_ids(conn, tenant, [*misplaced]))
                misplaced.clear()
            if verification.entries % _PROGRESS_EVERY == 0:
                on_progress(verification.entries)
    if misplaced:
        verification.repeated(tenant, await store.repeated_ids(conn, tenant, [*misplaced]))
    verification.drawn(tenant, sums, pools)


async def _compare_sums(
    conn: Connection, tenant: str, verification: Verification, on_hours: Callable[[int], None]
) -> None:
    await store.prepare_sums(conn)
    day = None
    hour = await store.next_hour(conn, tenant, datetime(1, 1, 1, tzinfo=UTC))
    while hour is not None:
        if day != (day := hour.replace(hour=0)):
            verification.compared_day(tenant, day, await store.compare_day(conn, tenant, day))
        verification.compared(tenant, hour, await store.compare_hour(conn, tenant, hour))
        on_hours(verification.hours)
        hour = await store.next_hour(conn, tenant, hour + _HOUR)
