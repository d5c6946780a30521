"""The only SQL of changes: one function holds one statement and no decision."""

from collections.abc import Sequence
from typing import Final

from psycopg.rows import scalar_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.identity.model import KeyRecord

_SQL: Final = load_sql("meterr.identity.changes")


async def lock_key(connection: Connection, tenant_id: str, key_id: str) -> None:
    """Keep everybody else from changing the key until the end."""
    await connection.execute(_SQL["lock_key"], {"tenant_id": tenant_id, "key_id": key_id})


async def change_terms(connection: Connection, key: KeyRecord) -> int | None:
    """Store the terms of ``key`` over its own version; return the next one, None if it had gone."""
    expires_at = None if key.expires_at_ms is None else as_datetime(key.expires_at_ms)
    values = {
        "key_id": key.key_id,
        "seen": key.version,
        "name": key.name,
        "scopes": sorted(scope.value for scope in key.scopes),
        "models": None if key.models is None else list(key.models),
        "networks": None if key.networks is None else list(key.networks),
        "expires_at": expires_at,
    }
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL["change_terms"], values)
        version: int | None = await cursor.fetchone()
        return version


async def list_made(connection: Connection, tenant_id: str, key_ids: Sequence[str]) -> list[str]:
    return await _ids(connection, "list_made", tenant_id, key_ids=list(key_ids))


async def revoke_made(connection: Connection, tenant_id: str, key_ids: Sequence[str]) -> list[str]:
    """Revoke, for good, what some keys have made; return what was not so before."""
    return await _ids(connection, "revoke_made", tenant_id, key_ids=list(key_ids))


async def list_of_author(connection: Connection, tenant_id: str, author: str) -> list[str]:
    return await _ids(connection, "list_of_author", tenant_id, author=author)


async def revoke_of_author(connection: Connection, tenant_id: str, author: str) -> list[str]:
    """Revoke, for good, what somebody asked for or rotated; return what was not so before."""
    return await _ids(connection, "revoke_of_author", tenant_id, author=author)


async def end_codes_of_author(connection: Connection, tenant_id: str, author: str) -> None:
    """End every code that somebody made; wait for whoever is just collecting with one."""
    values = {"tenant_id": tenant_id, "author": author}
    await connection.execute(_SQL["end_codes_of_author"], values)


async def end_codes(connection: Connection, tenant_id: str, key_ids: Sequence[str]) -> None:
    """End every code that a successor of these keys could be collected with."""
    values = {"tenant_id": tenant_id, "key_ids": list(key_ids)}
    await connection.execute(_SQL["end_codes"], values)


async def _ids(
    connection: Connection, statement: str, tenant_id: str, **values: str | list[str]
) -> list[str]:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(_SQL[statement], {"tenant_id": tenant_id, **values})
        return await cursor.fetchall()
