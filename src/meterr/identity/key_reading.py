"""Reading one key: one function is one use case is one transaction."""

from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.identity import store
from meterr.identity.model import KeyRecord
from meterr.identity.terms import is_uuid


async def find_key(db: Database, tenant_id: str, key_id: str) -> KeyRecord:
    """Return a key's record; NotFound for one that does not exist or is another tenant's, alike."""
    record = None
    if is_uuid(tenant_id) and is_uuid(key_id):
        async with db.tenant_transaction(tenant_id) as connection:
            record = await store.find_key(connection, tenant_id, key_id)
    if record is None:
        raise NotFound("There is no such key.")
    return record
