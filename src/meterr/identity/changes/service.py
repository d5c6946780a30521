"""Changing a key's terms: one function, one transaction."""

from dataclasses import replace

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.errors import NotFound
from meterr.identity import store as keys
from meterr.identity.changes import store
from meterr.identity.changes.errors import ChangedMeanwhile
from meterr.identity.changes.model import KeyChange
from meterr.identity.changes.terms import changed, checked_version, require_within
from meterr.identity.grants import Grants
from meterr.identity.model import KeyRecord
from meterr.identity.rotation.errors import KeyEnded
from meterr.identity.terms import is_uuid


async def change_key(
    db: Database, clock: Clock, tenant_id: str, key_id: str, change: KeyChange, *, version: int
) -> KeyRecord:
    """
    Change what ``change`` names of a key's terms; return it as it is then.

    Every process acts on it as on a revocation. ``version`` is that of the record somebody looked
    at: of two who change one key at once, the second is told. The secret stays, and so do
    successors: each key has terms of its own. Scopes that are taken away are taken from all keys
    that this one made, too.

    Raises:
        NotFound: no such key, or another tenant's.
        ChangedMeanwhile: the key has another version.
        KeyEnded: it is revoked, expired or past its grace: no expiry brings it back.
        GrantExceeded: more than the key that made it may hand on, or, when that one has ended,
            more than it has.
        Invalid: terms that cannot be meant; ``param`` says which.
    """
    checked_version(version)
    if not (is_uuid(tenant_id) and is_uuid(key_id)):
        raise NotFound("There is no such key.")
    async with db.tenant_transaction(tenant_id) as connection:
        await keys.share_keys(connection)
        await store.lock_key(connection, tenant_id, key_id)
        old = await keys.find_key(connection, tenant_id, key_id)
        if old is None:
            raise NotFound("There is no such key.")
        if old.version != version:
            raise ChangedMeanwhile(old.version)
        now_ms = clock.unix_ms()
        if old.ended(now_ms):
            raise KeyEnded
        new = changed(old, change, now_ms)
        require_within(old, new, await _maker(connection, old, now_ms))
        if new == old:
            return old
        stored = await store.change_terms(connection, new)
    if stored is None:  # cannot be: the row was locked before it was read
        raise ChangedMeanwhile(old.version)
    return replace(new, version=stored)


async def _maker(connection: Connection, key: KeyRecord, now_ms: int) -> Grants | None:
    if key.created_by is None:
        return None
    return await keys.find_grants(connection, key.tenant_id, key.created_by, now_ms)
