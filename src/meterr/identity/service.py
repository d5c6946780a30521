"""Tenants and keys: one function is one use case is one transaction."""

import asyncio
import os
from collections.abc import Callable, Iterable
from datetime import datetime

import psycopg.errors

from meterr.core.clock import Clock, as_datetime
from meterr.core.db import Connection, Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.ids import IdFactory
from meterr.core.principal import UnknownPrice
from meterr.identity import store
from meterr.identity.api_key import ApiKey, Environment, mint
from meterr.identity.errors import NameTaken
from meterr.identity.grants import Grants, require_granted
from meterr.identity.keyring import Keyring
from meterr.identity.model import KeyPage, KeyRecord, KeyState, NewKey, Tenant, TenantState
from meterr.identity.networks import checked_networks
from meterr.identity.pages import check_page
from meterr.identity.terms import (
    checked_expiry,
    checked_models,
    checked_name,
    checked_output_default,
    checked_owner,
    checked_scopes,
    checked_time_zone,
    is_uuid,
)


async def create_tenant(
    db: Database,
    ids: IdFactory,
    name: str,
    *,
    unknown_price: UnknownPrice = UnknownPrice.REFUSE,
    time_zone: str = "UTC",
    existing_ok: bool = False,
) -> Tenant:
    """
    Create a tenant called ``name``; with ``existing_ok`` return the one that has the name already.

    Raises:
        Invalid: the name is empty, too long or not printable, or the zone is none.
        NameTaken: the name is in use and ``existing_ok`` is False.
    """
    name = checked_name(name)
    time_zone = await asyncio.to_thread(checked_time_zone, time_zone)
    tenant_id = ids.new()
    try:
        async with db.tenant_transaction(tenant_id) as connection:
            await store.insert_tenant(connection, tenant_id, name, unknown_price, time_zone)
    except psycopg.errors.UniqueViolation:
        if not existing_ok:
            raise NameTaken(f"A tenant called {name!r} exists.", param="name") from None
    except psycopg.errors.InvalidParameterValue:
        raise _unknown_to_database(time_zone) from None
    return await find_tenant(db, name)


async def find_tenant(db: Database, name: str) -> Tenant:
    """Return the tenant called ``name`` or raise NotFound."""
    name = checked_name(name)
    async with db.transaction() as connection:
        tenant = await store.find_tenant(connection, name)
    if tenant is None:
        raise NotFound(f"There is no tenant called {name!r}.")
    return tenant


async def read_tenant(db: Database, tenant_id: str) -> Tenant:
    """Return the tenant with that id or raise NotFound."""
    tenant = None
    if is_uuid(tenant_id):
        async with db.tenant_transaction(tenant_id) as connection:
            tenant = await store.read_tenant(connection, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.")
    return tenant


async def list_tenants(db: Database) -> list[Tenant]:
    """Return all tenants, oldest first. For the operator only."""
    async with db.transaction() as connection:
        return await store.list_tenants(connection)


async def change_tenant(
    db: Database,
    tenant_id: str,
    *,
    state: TenantState | None = None,
    unknown_price: UnknownPrice | None = None,
    time_zone: str | None = None,
) -> None:
    """
    Change what is given; every process acts on it as it does on a change of a key.

    A disabled tenant disables all its keys. Windows of budgets that begin from now on begin by the
    new ``time_zone``. Raises NotFound when there is no such tenant, Invalid for an unknown zone.
    """
    changed = 0
    zone = None
    if time_zone is not None:
        zone = await asyncio.to_thread(checked_time_zone, time_zone)
    if is_uuid(tenant_id):
        try:
            async with db.tenant_transaction(tenant_id) as connection:
                changed = await store.change_tenant(
                    connection, tenant_id, state, unknown_price, zone
                )
        except psycopg.errors.InvalidParameterValue:
            raise _unknown_to_database(zone) from None
    if not changed:
        raise NotFound("There is no such tenant.")


async def create_key(
    db: Database,
    keyring: Keyring,
    ids: IdFactory,
    clock: Clock,
    tenant_id: str,
    *,
    name: str,
    scopes: Iterable[str],
    environment: Environment = Environment.LIVE,
    models: Iterable[str] | None = None,
    networks: Iterable[str] | None = None,
    expires_at_ms: int | None = None,
    owner: str = "",
    owner_user_id: str | None = None,
    output_tokens_default: int | None = None,
    send_output_default: bool = False,
    created_by: str | None = None,
    author: str = "",
    randomness: Callable[[int], bytes] = os.urandom,
) -> NewKey:
    """
    Mint a key for a tenant. The answer holds its secret; nothing else ever will.

    ``owner`` is a name for limits and reports. With ``owner_user_id``, a member of the tenant, the
    key counts only while that person is active and this membership lasts.
    ``created_by`` is the id of the key that asks, None for an operator: it hands on at most what it
    has, and the scopes that it or a successor of it loses later the new key loses, too. It goes on
    when that key is revoked, but for ``changes.revoke_with_made``. ``author`` is for lists.

    Raises:
        Invalid: a name, scope, pattern, network, expiry or default that cannot be meant; ``param``
            says which.
        GrantExceeded: more than the creating key may hand on.
        NotFound: there is no such tenant, or no such creating key that still counts.
    """
    secret = mint(environment, randomness)
    now_ms = clock.unix_ms()
    wanted = KeyRecord(
        tenant_id=tenant_id,
        key_id=ids.new(),
        name=checked_name(name),
        environment=environment,
        last4=secret.last4,
        scopes=checked_scopes(scopes),
        models=checked_models(models),
        networks=checked_networks(networks),
        expires_at_ms=checked_expiry(expires_at_ms, now_ms),
        state=KeyState.ACTIVE,
        created_at_ms=now_ms,
        revoked_at_ms=None,
        owner=checked_owner(owner),
        owner_user_id=owner_user_id,
        output_tokens_default=checked_output_default(
            output_tokens_default, sent=send_output_default
        ),
        send_output_default=send_output_default,
        author=checked_name(author, "author") if author else "",
    )
    return NewKey(secret, await _stored(db, keyring, wanted, secret, created_by, now_ms))


async def list_keys(
    db: Database, tenant_id: str, *, after: str | None = None, limit: int = 50
) -> KeyPage:
    """
    Return one page of a tenant's keys, newest first, revoked ones included.

    ``after`` is the ``after`` of the page before. ``limit`` is 1 to 200.
    """
    check_page(after, limit)
    if not is_uuid(tenant_id):
        raise NotFound("There is no such tenant.")
    async with db.tenant_transaction(tenant_id) as connection:
        found = await store.list_keys(connection, tenant_id, after=after, limit=limit + 1)
    keys = tuple(found[:limit])
    return KeyPage(keys=keys, after=keys[-1].key_id if len(found) > limit else None)


async def find_key(db: Database, tenant_id: str, key_id: str) -> KeyRecord:
    """Return a key's record; NotFound for one that does not exist or is another tenant's, alike."""
    record = None
    if is_uuid(tenant_id) and is_uuid(key_id):
        async with db.tenant_transaction(tenant_id) as connection:
            record = await store.find_key(connection, tenant_id, key_id)
    if record is None:
        raise NotFound("There is no such key.")
    return record


async def revoke_key(db: Database, tenant_id: str, key_id: str) -> KeyRecord:
    """
    Revoke a key for good and return its record; doing it again changes nothing.

    A code that its successor could be collected with ends, too, and no emergency makes another. A
    successor that exists goes on, and so do keys that it made.
    When this returns the revocation is committed; every process with a live listener knows within
    250 ms. Raises NotFound for a key that does not exist or belongs to another tenant.
    """
    record = None
    if is_uuid(tenant_id) and is_uuid(key_id):
        async with db.tenant_transaction(tenant_id) as connection:
            await store.share_keys(connection)
            await store.revoke_key(connection, tenant_id, key_id)
            await store.end_codes(connection, tenant_id, key_id)
            record = await store.find_key(connection, tenant_id, key_id)
    if record is None:
        raise NotFound("There is no such key.")
    return record


async def _stored(
    db: Database,
    keyring: Keyring,
    wanted: KeyRecord,
    secret: ApiKey,
    created_by: str | None,
    now_ms: int,
) -> KeyRecord:
    if not is_uuid(wanted.tenant_id):
        raise NotFound("There is no such tenant.")
    expiry_ms = wanted.expires_at_ms
    try:
        async with db.tenant_transaction(wanted.tenant_id) as connection:
            await store.share_keys(connection)
            if created_by is not None:
                await _require_granted(connection, wanted, created_by, now_ms)
            return await store.insert_key(
                connection,
                wanted,
                mac=keyring.mac(secret.presented),
                pepper_id=keyring.current.id,
                expires_at=None if expiry_ms is None else as_datetime(expiry_ms),
                owner_since=await _member_since(connection, wanted.tenant_id, wanted.owner_user_id),
                created_by=created_by,
            )
    except psycopg.errors.ForeignKeyViolation:
        raise NotFound("There is no such tenant.") from None


async def _member_since(
    connection: Connection, tenant_id: str, user_id: str | None
) -> datetime | None:
    if user_id is None:
        return None
    since = await store.member_since(connection, tenant_id, user_id) if is_uuid(user_id) else None
    if since is None:
        raise Invalid("owner is no member of this tenant: invite them first.", param="owner")
    return since


async def _require_granted(
    connection: Connection, wanted: KeyRecord, created_by: str, now_ms: int
) -> None:
    creator = None
    if is_uuid(created_by):
        creator = await store.find_grants(connection, wanted.tenant_id, created_by, now_ms)
    if creator is None:
        raise NotFound("There is no such creating key, or it does not count any more.")
    asked = Grants(wanted.scopes, wanted.models, wanted.networks, wanted.expires_at_ms)
    require_granted(creator, asked)


def _unknown_to_database(time_zone: str | None) -> Invalid:
    return Invalid(
        f"The database does not know the time zone {time_zone!r}: its list is older than ours, or"
        " the name is one of this machine only. Choose another name of that zone.",
        param="time_zone",
    )
