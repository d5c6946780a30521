"""The only SQL of the room: one function holds one statement and no decision."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from psycopg import sql
from psycopg.rows import class_row, kwargs_row, scalar_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.core.principal import Principal, Scope, UnknownPrice
from meterr.core.sql import load_sql
from meterr.identity.api_key import Environment
from meterr.identity.grants import Grants
from meterr.identity.model import KeyRecord, KeyState, Tenant, TenantState, VerifiedKey
from meterr.identity.networks import Networks

_SQL: Final = load_sql("meterr.identity")


class PepperCount(NamedTuple):
    """What is stored under one pepper."""

    pepper_id: str
    keys: int
    codes: int
    sessions: int


async def read_keys(connection: Connection, macs: Sequence[bytes]) -> list[VerifiedKey]:
    """Return the rows of those ``macs`` that exist. Runs as role meterr_auth."""
    async with connection.cursor(row_factory=kwargs_row(_verified_key)) as cursor:
        await cursor.execute(_SQL["read_keys"], {"macs": list(macs)})
        return await cursor.fetchall()


async def listen(connection: Connection, channel: str) -> None:
    await connection.execute(sql.SQL(_SQL["listen"]).format(channel=sql.Identifier(channel)))


async def beat(connection: Connection, channel: str, payload: str) -> None:
    await connection.execute(_SQL["beat"], {"channel": channel, "payload": payload})


async def insert_tenant(
    connection: Connection,
    tenant_id: str,
    name: str,
    unknown_price: UnknownPrice,
    time_zone: str,
) -> None:
    await connection.execute(
        _SQL["insert_tenant"],
        {
            "tenant_id": tenant_id,
            "name": name,
            "unknown_price": unknown_price.value,
            "time_zone": time_zone,
        },
    )


async def list_tenants(connection: Connection) -> list[Tenant]:
    async with connection.cursor(row_factory=kwargs_row(_tenant)) as cursor:
        await cursor.execute(_SQL["list_tenants"])
        return await cursor.fetchall()


async def find_tenant(connection: Connection, name: str) -> Tenant | None:
    async with connection.cursor(row_factory=kwargs_row(_tenant)) as cursor:
        await cursor.execute(_SQL["find_tenant"], {"name": name})
        return await cursor.fetchone()


async def read_tenant(connection: Connection, tenant_id: str) -> Tenant | None:
    async with connection.cursor(row_factory=kwargs_row(_tenant)) as cursor:
        await cursor.execute(_SQL["read_tenant"], {"tenant_id": tenant_id})
        return await cursor.fetchone()


async def change_tenant(
    connection: Connection,
    tenant_id: str,
    state: TenantState | None,
    unknown_price: UnknownPrice | None,
    time_zone: str | None,
) -> int:
    """Set what is not None; return how many tenants that was: 0 or 1."""
    cursor = await connection.execute(
        _SQL["change_tenant"],
        {
            "tenant_id": tenant_id,
            "state": state and state.value,
            "unknown_price": unknown_price and unknown_price.value,
            "time_zone": time_zone,
        },
    )
    return cursor.rowcount


async def share_keys(connection: Connection) -> None:
    """Take turns with whoever ends every key at once, until the transaction ends."""
    await connection.execute(_SQL["share_keys"])


async def insert_key(
    connection: Connection,
    key: KeyRecord,
    *,
    mac: bytes,
    pepper_id: str,
    expires_at: datetime | None,
    owner_since: datetime | None,
    created_by: str | None = None,
) -> KeyRecord:
    """Store ``key``; times of creation are the database's own."""
    values = {
        "tenant_id": key.tenant_id,
        "key_id": key.key_id,
        "name": key.name,
        "environment": key.environment.value,
        "mac": mac,
        "pepper_id": pepper_id,
        "last4": key.last4,
        "scopes": sorted(scope.value for scope in key.scopes),
        "models": None if key.models is None else list(key.models),
        "expires_at": expires_at,
        "owner": key.owner,
        "owner_user_id": key.owner_user_id,
        "owner_since": owner_since,
        "output_tokens_default": key.output_tokens_default,
        "send_output_default": key.send_output_default,
        "networks": None if key.networks is None else list(key.networks),
        "created_by": created_by,
        "author": key.author,
    }
    async with connection.cursor(row_factory=kwargs_row(_key_record)) as cursor:
        await cursor.execute(_SQL["insert_key"], values)
        (stored,) = await cursor.fetchall()
        return stored


async def member_since(connection: Connection, tenant_id: str, user_id: str) -> datetime | None:
    """Return when a membership that lasts began, to the microsecond; None for no member."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["member_since"], {"tenant_id": tenant_id, "user_id": user_id})
        return await cursor.fetchone()


async def list_keys(
    connection: Connection, tenant_id: str, *, after: str | None, limit: int
) -> list[KeyRecord]:
    async with connection.cursor(row_factory=kwargs_row(_key_record)) as cursor:
        await cursor.execute(
            _SQL["list_keys"], {"tenant_id": tenant_id, "after": after, "limit": limit}
        )
        return await cursor.fetchall()


async def find_key(connection: Connection, tenant_id: str, key_id: str) -> KeyRecord | None:
    async with connection.cursor(row_factory=kwargs_row(_key_record)) as cursor:
        await cursor.execute(_SQL["find_key"], {"tenant_id": tenant_id, "key_id": key_id})
        return await cursor.fetchone()


async def find_grants(
    connection: Connection, tenant_id: str, key_id: str, now_ms: int
) -> Grants | None:
    """Return what an active key may hand on, and keep it so until the transaction ends."""
    values = {"tenant_id": tenant_id, "key_id": key_id, "now": as_datetime(now_ms)}
    async with connection.cursor(row_factory=kwargs_row(_grants)) as cursor:
        await cursor.execute(_SQL["find_grants"], values)
        return await cursor.fetchone()


async def revoke_key(connection: Connection, tenant_id: str, key_id: str) -> None:
    await connection.execute(_SQL["revoke_key"], {"tenant_id": tenant_id, "key_id": key_id})


async def end_codes(connection: Connection, tenant_id: str, key_id: str) -> None:
    """End the code, if there is one, that the key's successor could be collected with."""
    await connection.execute(_SQL["end_codes"], {"tenant_id": tenant_id, "key_id": key_id})


async def count_by_pepper(connection: Connection) -> list[PepperCount]:
    async with connection.cursor(row_factory=class_row(PepperCount)) as cursor:
        await cursor.execute(_SQL["count_by_pepper"])
        return await cursor.fetchall()


def _verified_key(
    *,
    mac: bytes,
    tenant_id: str,
    key_id: str,
    scopes: list[str],
    models: list[str] | None,
    expires_at_ms: int | None,
    key_state: str,
    tenant_state: str,
    owner_counts: bool,
    unknown_price: str,
    version: int,
    owner: str,
    time_zone: str,
    limits: str,
    output_tokens_default: int | None,
    send_output_default: bool,
    grace_until_ms: int | None,
    networks: list[str] | None,
) -> VerifiedKey:
    principal = Principal(
        tenant_id=tenant_id,
        key_id=key_id,
        scopes=_scopes(scopes),
        models=None if models is None else tuple(models),
        unknown_price=UnknownPrice(unknown_price),
        owner=owner,
        time_zone=time_zone,
        limits=tuple(map(_limit, _LIMITS.decode(limits))),
        output_tokens_default=output_tokens_default,
        send_output_default=send_output_default,
    )
    return VerifiedKey(
        mac=bytes(mac),
        principal=principal,
        expires_at_ms=expires_at_ms,
        key_state=KeyState(key_state),
        tenant_state=TenantState(tenant_state),
        owner_counts=owner_counts,
        version=version,
        grace_until_ms=grace_until_ms,
        networks=None if networks is None else Networks(tuple(networks)),
    )


class _StoredLimit(msgspec.Struct):
    limit_id: str
    measure: Measure
    scope: Holder
    model: str
    span: Span
    amount: str
    hard: bool


_LIMITS = msgspec.json.Decoder(list[_StoredLimit])


def _limit(stored: _StoredLimit) -> Limit:
    return Limit(
        limit_id=stored.limit_id,
        measure=stored.measure,
        holder=stored.scope,
        span=stored.span,
        amount=Decimal(stored.amount),
        model=stored.model,
        hard=stored.hard,
    )


def _tenant(
    *,
    tenant_id: str,
    name: str,
    state: str,
    unknown_price: str,
    time_zone: str,
    created_at_ms: int,
) -> Tenant:
    return Tenant(
        tenant_id=tenant_id,
        name=name,
        state=TenantState(state),
        unknown_price=UnknownPrice(unknown_price),
        time_zone=time_zone,
        created_at_ms=created_at_ms,
    )


def _key_record(
    *,
    tenant_id: str,
    key_id: str,
    name: str,
    environment: str,
    last4: str,
    scopes: list[str],
    models: list[str] | None,
    expires_at_ms: int | None,
    state: str,
    created_at_ms: int,
    revoked_at_ms: int | None,
    owner: str,
    owner_user_id: str | None,
    output_tokens_default: int | None,
    send_output_default: bool,
    networks: list[str] | None,
    pepper_id: str,
    successor_id: str | None,
    first_key_id: str,
    grace_until_ms: int | None,
    due_at_ms: int | None,
    created_by: str | None,
    author: str,
    version: int,
    for_good: bool,
    last_used_at_ms: int | None = None,
) -> KeyRecord:
    return KeyRecord(
        tenant_id=tenant_id,
        key_id=key_id,
        name=name,
        environment=Environment(environment),
        last4=last4,
        scopes=_scopes(scopes),
        models=None if models is None else tuple(models),
        expires_at_ms=expires_at_ms,
        state=KeyState(state),
        created_at_ms=created_at_ms,
        revoked_at_ms=revoked_at_ms,
        owner=owner,
        owner_user_id=owner_user_id,
        output_tokens_default=output_tokens_default,
        send_output_default=send_output_default,
        networks=None if networks is None else tuple(networks),
        pepper_id=pepper_id,
        successor_id=successor_id,
        first_key_id=first_key_id,
        grace_until_ms=grace_until_ms,
        due_at_ms=due_at_ms,
        last_used_at_ms=last_used_at_ms,
        created_by=created_by,
        author=author,
        version=version,
        for_good=for_good,
    )


def _grants(
    *,
    scopes: list[str],
    models: list[str] | None,
    networks: list[str] | None,
    expires_at_ms: int | None,
) -> Grants:
    return Grants(
        scopes=_scopes(scopes),
        models=None if models is None else tuple(models),
        networks=None if networks is None else tuple(networks),
        expires_at_ms=expires_at_ms,
    )


def _scopes(names: list[str]) -> frozenset[Scope]:
    # A scope of a later release grants nothing here: what we do not know, we do not allow.
    return frozenset(scope for scope in Scope if scope.value in names)
