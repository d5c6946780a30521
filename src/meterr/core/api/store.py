"""The only SQL of the API's allowances: one function holds one statement and no decision."""

from typing import Final, NamedTuple

from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL: Final = load_sql("meterr.core.api")


class Counted(NamedTuple):
    """A caller's window, with the request that was just counted."""

    began_ms: int
    requests: int


async def count_request(
    connection: Connection, caller: bytes, quota: int, window_ms: int, now_ms: int
) -> Counted:
    values = {"caller": caller, "quota": quota, "window_ms": window_ms, "now_ms": now_ms}
    async with connection.cursor(row_factory=class_row(Counted)) as cursor:
        await cursor.execute(_SQL["count_request"], values)
        return (await cursor.fetchall())[0]


async def prune(connection: Connection, now_ms: int) -> None:
    await connection.execute(_SQL["prune"], {"now_ms": now_ms})
