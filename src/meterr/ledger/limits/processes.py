"""Processes that borrow: what each of them holds, and how one is given up that is lost."""

from collections.abc import Sequence

from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.ledger.limits import store
from meterr.ledger.limits.model import Freed, LeaseRecord, ProcessRecord
from meterr.ledger.limits.terms import is_uuid


async def list_leases(
    db: Database, tenants: Sequence[str], *, process: str | None = None
) -> list[LeaseRecord]:
    """
    Return what processes hold of these tenants' limits; those that are silent longest come first.

    With ``process`` only what that one holds. Limits of upstreams belong to NO_TENANT.
    """
    found: list[LeaseRecord] = []
    for tenant in tenants:
        async with db.tenant_transaction(tenant) as conn:
            found += await store.list_leases(conn, tenant)
    if process is not None:
        found = [lease for lease in found if lease.process == process]
    return sorted(found, key=lambda lease: (lease.seen_at, lease.process))


async def find_process(db: Database, process: str) -> ProcessRecord:
    """Return what is known of a process. Raises NotFound when it borrowed nothing, ever."""
    found = None
    if is_uuid(process):
        async with db.transaction() as conn:
            found = await store.find_process(conn, process)
    if found is None:
        raise NotFound("There is no such process; 'meterr limit leases' lists those that borrow.")
    return found


async def close_process(db: Database, process: str) -> list[Freed]:
    """
    Give a process up: what it held of budgets and concurrency comes back, and it borrows no more.

    Returns what came back by window, of budgets in force; nothing of what is overdrawn anyway.

    ``db`` acts as Role.DRAIN. Calls that stand only in its journal are in no window from now on:
    budgets may be spent a second time by them. A drain that reads a journal to its end does this
    by itself.
    """
    async with db.transaction() as conn:
        return await store.close_process(conn, process)
