"""Revoking a key together with what it made."""

from collections.abc import Sequence

from meterr.core.db import Connection, Database
from meterr.core.errors import NotFound
from meterr.identity import store as keys
from meterr.identity.changes import store
from meterr.identity.changes.model import Revoked
from meterr.identity.terms import checked_name, is_uuid


async def revoke_with_made(
    db: Database, tenant_id: str, key_id: str, *, dry_run: bool = False
) -> Revoked:
    """
    Revoke a key, and every key that it or a key of its making has made; for good, all at once.

    A key that is revoked alone leaves what it made in place: those belong to the tenant, as the
    door that somebody built stays when they leave. This is for keys that somebody else may have
    had. A key that is being made meanwhile is revoked, too, or not made. What one of them had made
    counts also when that one was revoked before. Repeating it changes nothing.

    With ``dry_run`` nothing changes, and ``made`` are those that would end. Raises NotFound.
    """
    if not (is_uuid(tenant_id) and is_uuid(key_id)):
        raise NotFound("There is no such key.")
    async with db.tenant_transaction(tenant_id) as connection:
        if dry_run:
            made = await store.list_made(connection, tenant_id, [key_id])
        else:
            await keys.share_keys(connection)
            await keys.revoke_key(connection, tenant_id, key_id)
            await keys.end_codes(connection, tenant_id, key_id)
            made = await _revoked_made(connection, tenant_id, [key_id])
        record = await keys.find_key(connection, tenant_id, key_id)
    if record is None:
        raise NotFound("There is no such key.")
    return Revoked(record, tuple(made))


async def revoke_made(db: Database, tenant_id: str, key_id: str) -> tuple[str, ...]:
    """Revoke what a key has made, as above, and leave the key itself; return the ids."""
    if not (is_uuid(tenant_id) and is_uuid(key_id)):
        raise NotFound("There is no such key.")
    async with db.tenant_transaction(tenant_id) as connection:
        await keys.share_keys(connection)
        return tuple(await _revoked_made(connection, tenant_id, [key_id]))


async def revoke_of_author(
    db: Database, tenant_id: str, author: str, *, dry_run: bool = False
) -> tuple[str, ...]:
    """
    Revoke every key that ``author`` asked for, as lists say it, with what those made; return ids.

    For keys that somebody made who should not have been able to. Successors have the author of the
    first key of their line, and end also when ``author`` rotated it or made the code for it: that
    is who saw the secret, or could. Open codes of theirs end, too. With ``dry_run`` nothing
    changes. Raises NotFound: no such tenant.
    """
    author = checked_name(author, "author")
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        if dry_run:
            own = await store.list_of_author(connection, tenant_id, author)
            made = await store.list_made(connection, tenant_id, own)
            return tuple(dict.fromkeys([*own, *made]))
        await keys.share_keys(connection)
        own = await store.revoke_of_author(connection, tenant_id, author)
        await store.end_codes_of_author(connection, tenant_id, author)
        # Whoever was collecting with one of those was waited for; this round sees what they got.
        own += await store.revoke_of_author(connection, tenant_id, author)
        await store.end_codes(connection, tenant_id, own)
        return (*own, *await _revoked_made(connection, tenant_id, own))


async def _revoked_made(
    connection: Connection, tenant_id: str, key_ids: Sequence[str]
) -> list[str]:
    made: list[str] = []
    # Whoever was making a key with one of these was waited for; the next round sees what they made.
    while found := await store.revoke_made(connection, tenant_id, key_ids):
        made += found
    await store.end_codes(connection, tenant_id, made)
    return made
