"""Use case of verifying the ledger: read everything once, recompute everything, change nothing."""

from collections.abc import Callable, Sequence

from meterr.core.db import Connection, Database
from meterr.ledger import store
from meterr.ledger.verify import LedgerReport, Verification

_PROGRESS_EVERY = 10_000
_MISPLACED_MAX = 10_000


async def verify_ledger(
    db: Database,
    tenants: Sequence[str],
    *,
    on_progress: Callable[[int], None] = lambda entries: None,
) -> LedgerReport:
    """
    Recompute each entry of ``tenants`` from its token vector and price, and compare exactly.

    Entries of tenants that do not exist are found and judged too, whoever was asked for. Reads each
    tenant in one snapshot and streams it: memory does not grow with the ledger. Proves that entries
    agree with themselves, their prices, tenants and keys; that none is missing is for the
    provider's own figures to tell. Ids are compared within a tenant, not between tenants.
    ``on_progress`` is told the number of entries read so far.
    """
    verification = Verification()
    async with db.transaction() as conn:
        unknown = await store.unknown_tenants(conn)
    for tenant in dict.fromkeys((*tenants, *unknown)):
        async with db.tenant_transaction(tenant) as conn:
            verification.begin_tenant(tenant, await store.unknown_price_of(conn, tenant))
            await _verify_tenant(conn, tenant, verification, on_progress)
    return verification.report()


async def _verify_tenant(
    conn: Connection,
    tenant: str,
    verification: Verification,
    on_progress: Callable[[int], None],
) -> None:
    misplaced: set[str] = set()
    async with store.entries_to_verify(conn, tenant) as stored:
        # After the entries' snapshot is taken: a price that came later belongs to none of them.
        verification.learn_prices(await store.list_price_versions(conn))
        async for entry in stored:
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
