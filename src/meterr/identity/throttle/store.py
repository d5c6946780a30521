"""The only SQL of the throttle: one function holds one statement and no decision."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.rows import dict_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.identity.throttle.subject import Subject
from meterr.identity.throttle.window import Kind, Window

_SQL: Final = load_sql("meterr.identity.throttle")


async def make_windows(connection: Connection, subjects: Sequence[Subject], now_ms: int) -> None:
    await connection.execute(_SQL["make_windows"], {**_keys(subjects), "now_ms": now_ms})


async def lock_windows(
    connection: Connection, subjects: Sequence[Subject]
) -> dict[Subject, Window]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["lock_windows"], _keys(subjects))
        return dict(_window(**row) for row in await cursor.fetchall())


async def write_windows(
    connection: Connection, windows: Mapping[Subject, Window], now_ms: int
) -> None:
    values = {
        **_keys(list(windows)),
        "began": [window.began_ms for window in windows.values()],
        "attempts": [window.attempts for window in windows.values()],
        "levels": [window.level for window in windows.values()],
        "blocked": [window.blocked_to_ms for window in windows.values()],
        "passed": [window.passed_ms for window in windows.values()],
        "now_ms": now_ms,
    }
    await connection.execute(_SQL["write_windows"], values)


async def prune(connection: Connection, now_ms: int) -> None:
    await connection.execute(_SQL["prune"], {"now_ms": now_ms})


def _keys(subjects: Sequence[Subject]) -> dict[str, object]:
    return {
        "kinds": [subject.kind.value for subject in subjects],
        "subjects": [subject.digest for subject in subjects],
    }


def _window(*, kind: str, subject: bytes, **columns: Any) -> tuple[Subject, Window]:
    return Subject(Kind(kind), bytes(subject)), Window(**columns)
