"""Ending every key at once. What follows them is handed over afterwards, see ``handover``."""

from contextlib import suppress
from datetime import timedelta
from typing import Final

import psycopg.errors

from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.identity.rotation import store
from meterr.identity.rotation.model import Asker, Emergency, Struck
from meterr.identity.rotation.plan import checked_asker, checked_grace
from meterr.identity.service import list_tenants, read_tenant

_DEADLOCKS_MAX: Final = 5


async def rotate_all(
    db: Database,
    ids: IdFactory,
    *,
    tenant_id: str | None,
    asker: Asker,
    grace: timedelta = timedelta(),
    dry_run: bool = False,
) -> Emergency:
    """
    End every active key of a tenant, or of all tenants with None, in one statement.

    When this returns it is committed, and every process with a live listener refuses them within
    250 ms, or when ``grace`` is over. Keys that are being made or rotated meanwhile are waited for
    and ended, too, and so are codes from before: those of an earlier emergency are made anew with
    its id. Each key that had not expired awaits one successor: ``issue_codes`` with the result's
    ``emergency_id``. With ``dry_run`` nothing changes.

    Raises:
        NotFound: there is no such tenant.
        Invalid: a grace or reason that cannot be meant.
    """
    asker, grace = checked_asker(asker), checked_grace(grace)
    if tenant_id is not None:
        await read_tenant(db, tenant_id)
    if dry_run:
        return Emergency("", await _struck_by(db, tenant_id), dry_run=True)
    emergency_id = ids.new()
    struck = await _strike(db, tenant_id, emergency_id, grace, asker)
    return Emergency(emergency_id, tuple(sorted(struck, key=lambda each: each.tenant_id)))


async def _strike(
    db: Database, tenant_id: str | None, emergency_id: str, grace: timedelta, asker: Asker
) -> tuple[Struck, ...]:
    # What meterr does takes its locks in one order. Whoever types SQL may not, and PostgreSQL then
    # ends either of the two. Nothing was done, and whoever stood in the way goes on: so once more.
    for _ in range(_DEADLOCKS_MAX):
        with suppress(psycopg.errors.DeadlockDetected):
            return await _strike_once(db, tenant_id, emergency_id, grace, asker)
    return await _strike_once(db, tenant_id, emergency_id, grace, asker)


async def _strike_once(
    db: Database, tenant_id: str | None, emergency_id: str, grace: timedelta, asker: Asker
) -> tuple[Struck, ...]:
    async with db.transaction() as connection:
        return await store.revoke_every_key(connection, tenant_id, emergency_id, grace, asker)


async def _struck_by(db: Database, tenant_id: str | None) -> tuple[Struck, ...]:
    if tenant_id is not None:
        return (await _counted(db, tenant_id),)
    found = [await _counted(db, each.tenant_id) for each in await list_tenants(db)]
    return tuple(each for each in found if each.keys or each.codes)


async def _counted(db: Database, tenant_id: str) -> Struck:
    async with db.tenant_transaction(tenant_id) as connection:
        return await store.count_struck(connection, tenant_id)
