"""The SQL of encryption at rest: one function holds one statement and no decision."""

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg import sql
from psycopg.rows import class_row

from meterr.core.crypto.model import DataKeyState, KnownKey, WrappedKey
from meterr.core.crypto.sealed_column import SealedColumn
from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL: Final = load_sql("meterr.core.crypto")

Row = tuple[tuple[str, ...], bytes]
"""Key columns as text, and the sealed value."""


async def note_key_encryption_key(connection: Connection, kek_id: str, verifier: bytes) -> None:
    await connection.execute(
        _SQL["note_key_encryption_key"], {"kek_id": kek_id, "verifier": verifier}
    )


async def hold_key_encryption_key(connection: Connection, kek_id: str) -> KnownKey | None:
    async with connection.cursor(row_factory=class_row(KnownKey)) as cursor:
        await cursor.execute(_SQL["hold_key_encryption_key"], {"kek_id": kek_id})
        return await cursor.fetchone()


async def list_key_encryption_keys(connection: Connection) -> list[KnownKey]:
    async with connection.cursor(row_factory=class_row(KnownKey)) as cursor:
        await cursor.execute(_SQL["list_key_encryption_keys"])
        return await cursor.fetchall()


async def retire_key_encryption_key(connection: Connection, kek_id: str) -> None:
    """Raise psycopg's ForeignKeyViolation while a data key is wrapped under it."""
    await connection.execute(_SQL["retire_key_encryption_key"], {"kek_id": kek_id})


async def hold_current_data_key(connection: Connection, tenant_id: str) -> WrappedKey | None:
    async with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        await cursor.execute(_SQL["hold_current_data_key"], {"tenant_id": tenant_id})
        return await cursor.fetchone()


async def read_data_key(connection: Connection, tenant_id: str, version: int) -> WrappedKey | None:
    async with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        await cursor.execute(_SQL["read_data_key"], {"tenant_id": tenant_id, "version": version})
        return await cursor.fetchone()


async def lock_data_keys(connection: Connection, tenant_id: str) -> None:
    await connection.execute(_SQL["lock_data_keys"], {"tenant_id": tenant_id})


async def next_version(connection: Connection, tenant_id: str) -> int:
    cursor = await connection.execute(_SQL["next_version"], {"tenant_id": tenant_id})
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 1


async def insert_data_key(
    connection: Connection, tenant_id: str, key: WrappedKey, created_at_ms: int | None
) -> None:
    values = {
        "tenant_id": tenant_id,
        "version": key.version,
        "kek_id": key.kek_id,
        "wrapped": key.wrapped,
        "created_at_ms": created_at_ms,
    }
    await connection.execute(_SQL["insert_data_key"], values)


async def data_keys_not_under(
    connection: Connection, tenant_id: str, kek_id: str
) -> list[WrappedKey]:
    async with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        await cursor.execute(
            _SQL["data_keys_not_under"], {"tenant_id": tenant_id, "kek_id": kek_id}
        )
        return await cursor.fetchall()


async def rewrap_data_key(connection: Connection, tenant_id: str, key: WrappedKey) -> None:
    values = {
        "tenant_id": tenant_id,
        "version": key.version,
        "kek_id": key.kek_id,
        "wrapped": key.wrapped,
    }
    await connection.execute(_SQL["rewrap_data_key"], values)


async def retire_data_key(connection: Connection, tenant_id: str, version: int) -> None:
    """Raise psycopg's ForeignKeyViolation while a sealed value refers to it."""
    values = {"tenant_id": tenant_id, "version": version}
    await connection.execute(_SQL["retire_data_key"], values)


async def list_data_keys(connection: Connection) -> list[DataKeyState]:
    async with connection.cursor(row_factory=class_row(DataKeyState)) as cursor:
        await cursor.execute(_SQL["list_data_keys"])
        return await cursor.fetchall()


async def count_by_version(
    connection: Connection, tenant_id: str, sealed: SealedColumn
) -> dict[int, int]:
    cursor = await connection.execute(_named("count_by_version", sealed), {"tenant_id": tenant_id})
    return {int(str(version)): int(str(rows)) for version, rows in await cursor.fetchall()}


async def rows_below(
    connection: Connection,
    tenant_id: str,
    sealed: SealedColumn,
    *,
    version: int,
    after: Sequence[str] | None,
    limit: int,
) -> list[Row]:
    """Return up to ``limit`` unlocked rows sealed below ``version``, now locked, in key order."""
    name = "first_rows_not_of" if after is None else "next_rows_not_of"
    values = {"tenant_id": tenant_id, "version": version, "limit": limit, **_keys(after or ())}
    cursor = await connection.execute(_named(name, sealed), values)
    return [
        (tuple(str(each) for each in row[:-1]), bytes(row[-1]))  # type: ignore[call-overload]  # bytea comes as bytes
        for row in await cursor.fetchall()
    ]


async def put_resealed(
    connection: Connection, tenant_id: str, sealed: SealedColumn, rows: Sequence[Row]
) -> None:
    values = [{"tenant_id": tenant_id, "sealed": value, **_keys(keys)} for keys, value in rows]
    async with connection.cursor() as cursor:
        await cursor.executemany(_named("put_resealed", sealed), values)


def _keys(values: Sequence[str]) -> dict[str, str]:
    return {f"key{position}": value for position, value in enumerate(values)}


def _named(name: str, sealed: SealedColumn) -> sql.Composed:
    statement: LiteralString = _SQL[name]
    columns = [sql.Identifier(key) for key in sealed.keys]
    as_text = sql.SQL("{}::text")
    return sql.SQL(statement).format(
        table=sql.Identifier(sealed.table),
        column=sql.Identifier(sealed.column),
        tenant_column=sql.Identifier(sealed.tenant_column),
        version_column=sql.Identifier(sealed.version_column),
        key_columns=sql.SQL(", ").join(columns),
        key_texts=sql.SQL(", ").join([as_text.format(each) for each in columns]),
        key_values=sql.SQL(", ").join([sql.Placeholder(name) for name in _keys(sealed.keys)]),
    )
