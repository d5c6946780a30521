"""Rotation by policy: how old keys may get, and telling in time which are due."""

from meterr.core import events
from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.errors import NotFound
from meterr.identity import store as keys
from meterr.identity.notices import tell_keepers
from meterr.identity.rotation import store
from meterr.identity.rotation.model import Due, RotationPolicy
from meterr.identity.rotation.plan import checked_policy
from meterr.identity.terms import checked_name, is_uuid


async def set_policy(db: Database, clock: Clock, tenant_id: str, policy: RotationPolicy) -> None:
    """
    Set how old the keys of a tenant may get, or those of one key's line.

    A key that gets too old is due with ``notice`` and ends ``grace`` after that, whether it was
    replaced or not. What an earlier policy had told is asked again; a key that it ended stays
    ended. Raises Invalid, or NotFound for an unknown tenant or key.
    """
    policy = checked_policy(policy)
    if is_uuid(tenant_id):
        async with db.tenant_transaction(tenant_id) as connection:
            await keys.share_keys(connection)
            subject = await _subject(connection, tenant_id, policy.key_id)
            if subject is not None:
                await store.put_policy(connection, tenant_id, subject, policy)
                await store.forget_due(connection, tenant_id, subject, clock.unix_ms())
                return
    raise NotFound("There is no such tenant or key.")


async def end_policy(
    db: Database, clock: Clock, tenant_id: str, key_id: str | None, author: str
) -> None:
    """
    End a policy; keys that it had told are due no longer, and those that it ended stay ended.

    Raises NotFound when there is none.
    """
    author = checked_name(author, "author")
    if is_uuid(tenant_id):
        async with db.tenant_transaction(tenant_id) as connection:
            await keys.share_keys(connection)
            subject = await _subject(connection, tenant_id, key_id)
            if subject and await store.end_policy(connection, tenant_id, subject, author):
                await store.forget_due(connection, tenant_id, subject, clock.unix_ms())
                return
    raise NotFound("There is no such policy.")


async def list_policies(db: Database, tenant_id: str) -> list[RotationPolicy]:
    """Return the policies in force, the tenant's first."""
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        return await store.list_policies(connection, tenant_id)


async def mark_due(db: Database, clock: Clock, tenant_id: str) -> list[Due]:
    """
    Mark the tenant's keys whose notice begins and return them, each once; their keepers are told.

    Any number of processes may call this; those that find another one at it return nothing.
    """
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        if not await store.take_turn(connection, tenant_id):
            return []
        due = await store.mark_due(connection, tenant_id, clock.unix_ms())
        if due:
            await _tell(connection, tenant_id, due)
        return due


async def _tell(connection: Connection, tenant_id: str, due: list[Due]) -> None:
    target = events.Target(events.TargetKind.TENANT, tenant_id)
    event = events.Event(events.Kind.KEY_DUE, tenant_id, events.SYSTEM, target, {"keys": len(due)})
    recorded = await events.record(connection, event)
    await tell_keepers(connection, recorded, [key.key_id for key in due])


async def _subject(connection: Connection, tenant_id: str, key_id: str | None) -> str | None:
    """Return what a policy is stored under: a line's first key or the nil id; None for neither."""
    if key_id is None:
        return store.TENANT_WIDE if await store.has_tenant(connection, tenant_id) else None
    return await store.line_of_key(connection, tenant_id, key_id) if is_uuid(key_id) else None
