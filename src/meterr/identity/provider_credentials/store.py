"""The SQL of stored credentials: one function holds one statement and no decision."""

from typing import Final

from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.policy import PLATFORM
from meterr.core.sql import load_sql
from meterr.identity.provider_credentials.model import ProviderCredential

_SQL: Final = load_sql("meterr.identity.provider_credentials")


async def put_credential(
    connection: Connection, upstream: str, sealed: bytes, last4: str, created_by: str
) -> ProviderCredential:
    values = {
        "tenant_id": PLATFORM,
        "upstream": upstream,
        "secret": sealed,
        "last4": last4,
        "created_by": created_by,
    }
    async with connection.cursor(row_factory=class_row(ProviderCredential)) as cursor:
        await cursor.execute(_SQL["put_credential"], values)
        (stored,) = await cursor.fetchall()
        return stored


async def list_credentials(connection: Connection) -> list[ProviderCredential]:
    async with connection.cursor(row_factory=class_row(ProviderCredential)) as cursor:
        await cursor.execute(_SQL["list_credentials"], {"tenant_id": PLATFORM})
        return await cursor.fetchall()


async def read_sealed(connection: Connection, upstream: str) -> bytes | None:
    cursor = await connection.execute(
        _SQL["read_sealed"], {"tenant_id": PLATFORM, "upstream": upstream}
    )
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])  # type: ignore[call-overload]  # bytea comes as bytes


async def remove_credential(connection: Connection, upstream: str) -> int:
    """Return how many that was: 0 or 1."""
    cursor = await connection.execute(
        _SQL["remove_credential"], {"tenant_id": PLATFORM, "upstream": upstream}
    )
    return cursor.rowcount
