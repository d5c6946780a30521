"""The only SQL of rotation: one function holds one statement and no decision."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from psycopg.rows import class_row, dict_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.policy import Role
from meterr.core.sql import load_sql
from meterr.identity.rotation.model import Asker, Awaiting, Due, Kind, RotationPolicy, Struck
from meterr.identity.rotation.plan import Plan

_SQL: Final = load_sql("meterr.identity.rotation")
TENANT_WIDE: Final = "00000000-0000-0000-0000-000000000000"


class Successor(NamedTuple):
    """What is stored of a new secret."""

    key_id: str
    mac: bytes
    pepper_id: str
    last4: str


class UsedCode(NamedTuple):
    """What a code was for, and which member made it; None was an operator."""

    kind: str
    grace: timedelta
    made_by: str | None


class Code(NamedTuple):
    """What is stored of a code, for one key."""

    key_id: str
    successor_id: str
    mac: bytes
    grace: timedelta


async def lock_key(connection: Connection, tenant_id: str, key_id: str) -> bool:
    """Keep everybody else from changing the key until the end; return whether it exists."""
    return bool(await _rows(connection, "lock_key", tenant_id=tenant_id, key_id=key_id))


async def successor_counts(connection: Connection, tenant_id: str, key_id: str) -> bool:
    (row,) = await _rows(connection, "successor_counts", tenant_id=tenant_id, key_id=key_id)
    return bool(row["counts"])


async def insert_successor(
    connection: Connection, tenant_id: str, key_id: str, new: Successor
) -> None:
    """Store a key with the terms of ``key_id`` under the new secret."""
    await connection.execute(
        _SQL["insert_successor"],
        {
            "tenant_id": tenant_id,
            "key_id": key_id,
            "successor_id": new.key_id,
            "mac": new.mac,
            "pepper_id": new.pepper_id,
            "last4": new.last4,
        },
    )


async def replace_key(
    connection: Connection, tenant_id: str, key_id: str, successor_id: str, plan: Plan
) -> None:
    await connection.execute(
        _SQL["replace_key"],
        {
            "tenant_id": tenant_id,
            "key_id": key_id,
            "successor_id": successor_id,
            "grace_until": as_datetime(plan.grace_until_ms),
            "revoked": plan.revoked,
        },
    )


async def insert_succession(
    connection: Connection,
    tenant_id: str,
    key_id: str,
    successor_id: str,
    grace: timedelta,
    asker: Asker,
) -> None:
    await connection.execute(
        _SQL["insert_succession"],
        {
            "tenant_id": tenant_id,
            "key_id": key_id,
            "successor_id": successor_id,
            "grace": grace,
            "reason": asker.reason,
            "author": asker.author,
        },
    )


async def list_awaiting(
    connection: Connection,
    tenant_id: str,
    *,
    emergency_id: str | None,
    now_ms: int,
    after: str | None,
    limit: int,
) -> list[Awaiting]:
    """Return keys that an emergency ended, or (None) that are due, and that nobody followed."""
    values = {
        "tenant_id": tenant_id,
        "emergency_id": emergency_id,
        "now": as_datetime(now_ms),
        "after": after,
        "limit": limit,
    }
    statement = "list_due" if emergency_id is None else "list_struck"
    async with connection.cursor(row_factory=class_row(Awaiting)) as cursor:
        await cursor.execute(_SQL[statement], values)
        return await cursor.fetchall()


async def put_codes(
    connection: Connection,
    tenant_id: str,
    codes: Sequence[Code],
    *,
    kind: Kind,
    pepper_id: str,
    expires_at_ms: int,
    asker: Asker,
) -> Mapping[str, str]:
    """Store codes, in place of earlier ones; return key to successor."""
    rows = await _rows(
        connection,
        "put_codes",
        tenant_id=tenant_id,
        keys=[code.key_id for code in codes],
        successors=[code.successor_id for code in codes],
        macs=[code.mac for code in codes],
        graces=[code.grace for code in codes],
        kind=kind.value,
        pepper_id=pepper_id,
        expires_at=as_datetime(expires_at_ms),
        reason=asker.reason,
        author=asker.author,
        made_by=asker.user_id,
    )
    return {row["key_id"]: row["successor_id"] for row in rows}


async def find_succession(connection: Connection, macs: Sequence[bytes]) -> tuple[str, str] | None:
    """Return tenant and successor that a code is for, whether it still counts or not."""
    rows = await _rows(connection, "find_succession", macs=list(macs))
    return (rows[0]["tenant_id"], rows[0]["successor_id"]) if rows else None


async def awaiting_key(connection: Connection, tenant_id: str, successor_id: str) -> str | None:
    """Return the key that ``successor_id`` is to follow; None when it does so already."""
    rows = await _rows(connection, "awaiting_key", tenant_id=tenant_id, successor_id=successor_id)
    return str(rows[0]["key_id"]) if rows else None


async def use_code(
    connection: Connection, tenant_id: str, successor_id: str, macs: Sequence[bytes], now_ms: int
) -> UsedCode | None:
    """Use a code up; None when it does not count."""
    rows = await _rows(
        connection,
        "use_code",
        tenant_id=tenant_id,
        successor_id=successor_id,
        macs=list(macs),
        now=as_datetime(now_ms),
    )
    return UsedCode(**rows[0]) if rows else None


async def role_of_member(connection: Connection, user_id: str) -> Role | None:
    """Return what somebody is in the transaction's tenant now; None when that is nothing."""
    (row,) = await _rows(connection, "role_of_member", user_id=user_id)
    return None if row["role"] is None else Role(row["role"])


async def revoke_every_key(
    connection: Connection,
    tenant_id: str | None,
    emergency_id: str,
    grace: timedelta,
    asker: Asker,
) -> tuple[Struck, ...]:
    rows = await _rows(
        connection,
        "revoke_every_key",
        tenant_id=tenant_id,
        emergency_id=emergency_id,
        reason=asker.reason,
        author=asker.author,
        grace=grace,
    )
    return tuple(Struck(**row) for row in rows)


async def count_struck(connection: Connection, tenant_id: str) -> Struck:
    (row,) = await _rows(connection, "count_struck", tenant_id=tenant_id)
    return Struck(tenant_id, **row)


async def has_emergency(connection: Connection, tenant_id: str, emergency_id: str) -> bool:
    values = {"tenant_id": tenant_id, "emergency_id": emergency_id}
    return bool(await _rows(connection, "find_emergency", **values))


async def has_tenant(connection: Connection, tenant_id: str) -> bool:
    return bool((await _rows(connection, "has_tenant", tenant_id=tenant_id))[0]["present"])


async def line_of_key(connection: Connection, tenant_id: str, key_id: str) -> str | None:
    """Return the first key of a key's line, None when there is no such key."""
    rows = await _rows(connection, "line_of_key", tenant_id=tenant_id, key_id=key_id)
    return str(rows[0]["first_key_id"]) if rows else None


async def put_policy(
    connection: Connection, tenant_id: str, key_id: str, policy: RotationPolicy
) -> None:
    values = {
        "tenant_id": tenant_id,
        "key_id": key_id,
        "max_age": policy.max_age,
        "notice": policy.notice,
        "grace": policy.grace,
        "author": policy.author,
    }
    await connection.execute(_SQL["put_policy"], values)


async def end_policy(connection: Connection, tenant_id: str, key_id: str, author: str) -> bool:
    values = {"tenant_id": tenant_id, "key_id": key_id, "author": author}
    return (await connection.execute(_SQL["end_policy"], values)).rowcount > 0


async def list_policies(connection: Connection, tenant_id: str) -> list[RotationPolicy]:
    async with connection.cursor(row_factory=class_row(RotationPolicy)) as cursor:
        await cursor.execute(_SQL["list_policies"], {"tenant_id": tenant_id})
        return await cursor.fetchall()


async def forget_due(connection: Connection, tenant_id: str, key_id: str, now_ms: int) -> None:
    values = {"tenant_id": tenant_id, "key_id": key_id, "now": as_datetime(now_ms)}
    await connection.execute(_SQL["forget_due"], values)


async def take_turn(connection: Connection, tenant_id: str) -> bool:
    """Return whether this transaction is the one that looks after the tenant's policies."""
    return bool((await _rows(connection, "take_turn", tenant_id=tenant_id))[0]["mine"])


async def mark_due(connection: Connection, tenant_id: str, now_ms: int) -> list[Due]:
    values = {"tenant_id": tenant_id, "now": as_datetime(now_ms)}
    async with connection.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(_SQL["mark_due"], values)
        return await cursor.fetchall()


async def _rows(connection: Connection, statement: str, **values: Any) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[statement], values)
        return await cursor.fetchall()
