"""The only SQL of passwords: one function holds one statement and no decision."""

from typing import Final

from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.identity.passwords.model import StoredPassword

_SQL: Final = load_sql("meterr.identity.passwords")


async def find_password(connection: Connection, email: str) -> StoredPassword | None:
    async with connection.cursor(row_factory=class_row(StoredPassword)) as cursor:
        await cursor.execute(_SQL["find_password"], {"email": email})
        return await cursor.fetchone()


async def find_password_of(connection: Connection, user_id: str) -> StoredPassword | None:
    async with connection.cursor(row_factory=class_row(StoredPassword)) as cursor:
        await cursor.execute(_SQL["find_password_of"], {"user_id": user_id})
        return await cursor.fetchone()


async def insert_first_password(
    connection: Connection, user_id: str, hashed: str, *, short: bool
) -> bool:
    """Return False when the account has a password already; then nothing was written."""
    values = {"user_id": user_id, "hash": hashed, "short": short}
    return (await connection.execute(_SQL["insert_first_password"], values)).rowcount == 1


async def set_password(connection: Connection, user_id: str, hashed: str, *, short: bool) -> None:
    values = {"user_id": user_id, "hash": hashed, "short": short}
    await connection.execute(_SQL["set_password"], values)


async def replace_password(
    connection: Connection, user_id: str, before: str, hashed: str, *, short: bool
) -> bool:
    """Return False when ``before`` is not the account's hash any more; then nothing was written."""
    values = {"user_id": user_id, "before": before, "hash": hashed, "short": short}
    return (await connection.execute(_SQL["replace_password"], values)).rowcount == 1


async def rehash(connection: Connection, user_id: str, before: str, hashed: str) -> bool:
    """Return False when ``before`` is not the account's hash any more; then nothing was written."""
    values = {"user_id": user_id, "before": before, "hash": hashed}
    return (await connection.execute(_SQL["rehash"], values)).rowcount == 1
