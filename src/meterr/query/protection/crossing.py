"""Try to cross, as the login that was made: every way that we know to a row of somebody else."""

from contextlib import suppress
from typing import Final

import psycopg

from meterr.core.db import Connection
from meterr.query.protection import store
from meterr.query.protection.model import Crossing
from meterr.query.protection.shape import Shape

_TIMED_OUT: Final = "57014"


async def cross(connection: Connection, shape: Shape, other: str | None) -> Crossing:
    """
    Try, and return what was tried and what brought something.

    ``connection`` is the login's own, without a transaction; ``other`` is somebody else's value of
    the tenant column, if one is known. What could not be answered in time counts as crossed: nobody
    knows. Nothing is left changed where a change was let through.
    """
    connection.prepare_threshold = None  # a session is forgotten after each attempt
    await store.begin_reading(connection)
    tried: list[str] = []
    crossed: list[str] = []
    for attempt in await store.attempts(connection, shape, other):
        tried.append(attempt.what)
        if await _crosses(connection, attempt):
            crossed.append(attempt.what)
    return Crossing(tuple(tried), tuple(crossed))


async def _crosses(connection: Connection, attempt: store.Attempt) -> bool:
    try:
        for statement in attempt.before:
            with suppress(psycopg.Error):  # refused, as it should be; what follows is tried anyway
                await store.run(connection, statement)
        return await store.brings_a_row(connection, attempt.probe)
    except psycopg.Error as error:
        if connection.closed:
            raise
        return error.sqlstate == _TIMED_OUT
    finally:
        if not connection.closed:
            await connection.rollback()
            await store.forget_session(connection)
