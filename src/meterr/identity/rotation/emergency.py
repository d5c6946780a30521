"""Ending every key at once. What follows them is handed over afterwards, see ``handover``."""

from datetime import timedelta

from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.core.ids import IdFactory
from meterr.identity import store as keys
from meterr.identity.rotation import store
from meterr.identity.rotation.model import Asker, Emergency, Struck
from meterr.identity.rotation.plan import checked_asker, checked_grace
from meterr.identity.terms import is_uuid


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
    and ended, too, and so are codes from before. Each key that had not expired awaits one
    successor: ``issue_codes`` with the result's ``emergency_id``. With ``dry_run`` nothing changes.

    Raises:
        NotFound: there is no such tenant.
        Invalid: a grace or reason that cannot be meant.
    """
    asker, grace = checked_asker(asker), checked_grace(grace)
    if tenant_id is not None and not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    if dry_run:
        return Emergency("", await _struck_by(db, tenant_id), dry_run=True)
    emergency_id = ids.new()
    async with db.transaction() as connection:
        struck = await store.revoke_every_key(connection, tenant_id, emergency_id, grace, asker)
    return Emergency(emergency_id, tuple(sorted(struck, key=lambda each: each.tenant_id)))


async def _struck_by(db: Database, tenant_id: str | None) -> tuple[Struck, ...]:
    async with db.transaction() as connection:
        tenants = [each.tenant_id for each in await keys.list_tenants(connection)]
    if tenant_id is not None and tenant_id not in tenants:
        raise NotFound("There is no such tenant.")
    found = []
    for each in tenants if tenant_id is None else [tenant_id]:
        async with db.tenant_transaction(each) as connection:
            count = await store.count_active(connection, each)
        if count:
            found.append(Struck(each, count))
    return tuple(found)
