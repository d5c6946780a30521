"""Reading what was written down: one function is one use case is one transaction."""

from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.identity import store as keys
from meterr.identity.terms import is_uuid
from meterr.identity.uses import store
from meterr.identity.uses.model import CallerRecord


async def list_callers(db: Database, tenant_id: str, key_id: str) -> tuple[CallerRecord, ...]:
    """
    Return who called with a key since it got a successor, the last one first; at most 50.

    What processes saw in their last seconds is not in it yet. Raises NotFound for a key that does
    not exist or belongs to another tenant.
    """
    if is_uuid(tenant_id) and is_uuid(key_id):
        async with db.tenant_transaction(tenant_id) as connection:
            if await keys.find_key(connection, tenant_id, key_id) is not None:
                return await store.list_callers(connection, tenant_id, key_id)
    raise NotFound("There is no such key.")
