"""The SQL of signing keys: one function holds one statement and no decision."""

from typing import Any, Final

from psycopg.rows import dict_row, kwargs_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.policy import PLATFORM
from meterr.core.sql import load_sql
from meterr.core.tokens import VerifyingKey
from meterr.identity.sessions.key_states import KeyRecord, KeyState

_SQL: Final = load_sql("meterr.identity.sessions")
_OURS: Final = {"tenant_id": PLATFORM}


async def lock_signing_keys(connection: Connection) -> None:
    await connection.execute(_SQL["lock_signing_keys"])


async def list_signing_keys(connection: Connection) -> list[KeyRecord]:
    async with connection.cursor(row_factory=kwargs_row(_record)) as cursor:
        await cursor.execute(_SQL["list_signing_keys"], _OURS)
        return await cursor.fetchall()


async def read_current_key(connection: Connection) -> tuple[str, bytes] | None:
    """Return name and sealed secret of the key that signs."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["read_current_key"], _OURS)
        row = await cursor.fetchone()
    return None if row is None else (row["kid"], bytes(row["secret"]))


async def insert_signing_key(
    connection: Connection, key: VerifyingKey, sealed: bytes, state: KeyState, now_ms: int
) -> None:
    values = {
        **_OURS,
        "kid": key.kid,
        "state": state.value,
        "public_key": key.public,
        "secret": sealed,
        "created_at": as_datetime(now_ms),
    }
    await connection.execute(_SQL["insert_signing_key"], values)


async def stop_signing(
    connection: Connection, was: KeyState, state: KeyState, accepted_to_ms: int
) -> None:
    accepted_to = as_datetime(accepted_to_ms)
    values = {**_OURS, "was": was.value, "state": state.value, "accepted_to": accepted_to}
    await connection.execute(_SQL["stop_signing"], values)


async def begin_signing(connection: Connection) -> None:
    await connection.execute(_SQL["begin_signing"], _OURS)


async def retire_signing_keys(connection: Connection, now_ms: int, *, all_: bool) -> None:
    values = {**_OURS, "now": as_datetime(now_ms), "all": all_}
    await connection.execute(_SQL["retire_signing_keys"], values)


def _record(*, state: str, **columns: Any) -> KeyRecord:
    return KeyRecord(state=KeyState(state), **columns)
