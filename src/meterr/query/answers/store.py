"""The SQL of turns: one function holds one statement and no decision."""

from typing import Final

from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL: Final = load_sql("meterr.query.answers")


async def take_turn(
    connection: Connection, asker: str, turns_max: int, seconds: float
) -> str | None:
    """Return the turn, None when there are as many as there may be."""
    values = {"asker": asker, "turns_max": turns_max, "seconds": seconds}
    row = await (await connection.execute(_SQL["take_turn"], values)).fetchone()
    return None if row is None or row[0] is None else str(row[0])


async def end_turn(connection: Connection, turn: str) -> None:
    await connection.execute(_SQL["end_turn"], {"turn": turn})
