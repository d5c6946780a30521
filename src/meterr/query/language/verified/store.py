"""The SQL of verified questions: one function holds one statement and no decision."""

from typing import Final

from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.query.language.verified.model import QUESTIONS_MAX, VerifiedQuestion

_SQL: Final = load_sql("meterr.query.language.verified")


async def save_question(
    connection: Connection, tenant_id: str, question_id: str, values: dict[str, str]
) -> VerifiedQuestion | None:
    """Insert or replace; None when there are too many."""
    ids = {"tenant_id": tenant_id, "question_id": question_id, "questions_max": QUESTIONS_MAX}
    async with connection.cursor(row_factory=class_row(VerifiedQuestion)) as cursor:
        await cursor.execute(_SQL["save_question"], {**values, **ids})
        return await cursor.fetchone()


async def list_questions(connection: Connection, source: str) -> list[VerifiedQuestion]:
    async with connection.cursor(row_factory=class_row(VerifiedQuestion)) as cursor:
        values = {"source": source, "questions_max": QUESTIONS_MAX}
        await cursor.execute(_SQL["list_questions"], values)
        return await cursor.fetchall()


async def remove_question(connection: Connection, question_id: str) -> int:
    """Return how many that was: 0 or 1."""
    cursor = await connection.execute(_SQL["remove_question"], {"question_id": question_id})
    return cursor.rowcount
