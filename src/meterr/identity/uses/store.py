"""The only SQL about uses of keys: one function holds one statement and no decision."""

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg.rows import class_row

from meterr.core.clock import as_datetime
from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.identity.uses.model import CallerRecord, Calls, Use

_SQL: Final = load_sql("meterr.identity.uses")


async def move_keys(connection: Connection, macs: Mapping[bytes, bytes], pepper_id: str) -> None:
    """Store the keys found under the first MAC of each pair under the second."""
    await connection.execute(
        _SQL["move_keys"],
        {"found": list(macs), "new": list(macs.values()), "pepper_id": pepper_id},
    )


async def record_uses(connection: Connection, uses: Sequence[Use]) -> None:
    await connection.execute(
        _SQL["record_uses"],
        {
            "tenants": [use.tenant_id for use in uses],
            "keys": [use.key_id for use in uses],
            "times": [as_datetime(use.at_ms) for use in uses],
        },
    )


async def record_callers(connection: Connection, callers: Sequence[Calls]) -> None:
    await connection.execute(
        _SQL["record_callers"],
        {
            "tenants": [each.tenant_id for each in callers],
            "keys": [each.key_id for each in callers],
            "addresses": [each.address for each in callers],
            "agents": [each.user_agent for each in callers],
            "counts": [each.calls for each in callers],
            "times": [as_datetime(each.at_ms) for each in callers],
        },
    )


async def list_callers(
    connection: Connection, tenant_id: str, key_id: str
) -> tuple[CallerRecord, ...]:
    async with connection.cursor(row_factory=class_row(CallerRecord)) as cursor:
        await cursor.execute(_SQL["list_callers"], {"tenant_id": tenant_id, "key_id": key_id})
        return tuple(await cursor.fetchall())
