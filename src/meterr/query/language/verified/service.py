"""Verified questions: one function is one use case is one transaction."""

import uuid
from typing import Final

import msgspec

from meterr.core.db import Database
from meterr.core.errors import Invalid, NotFound
from meterr.core.ids import IdFactory
from meterr.query.catalogue import Catalogue
from meterr.query.guard import guard
from meterr.query.language.intent import read_intent
from meterr.query.language.likeness import most_alike
from meterr.query.language.prompt import Example
from meterr.query.language.slips import Slip
from meterr.query.language.verified import store
from meterr.query.language.verified.model import (
    AUTHOR_CHARS_MAX,
    INTENT_CHARS_MAX,
    QUESTION_CHARS_MAX,
    QUESTIONS_MAX,
    SOURCE_CHARS_MAX,
    VerifiedQuestion,
)
from meterr.query.refusal import Refusal

EXAMPLES_MAX: Final = 3
_ALIKE_FROM: Final = 0.2
"""Less alike than this, two questions have little more in common than how questions are put."""


async def save_question(
    db: Database,
    ids: IdFactory,
    catalogue: Catalogue,
    tenant_id: str,
    source: str,
    question: str,
    sql: str,
    *,
    intent: str = "",
    author: str,
) -> VerifiedQuestion:
    """
    Keep a question whose answer a person has confirmed; the same question again replaces it.

    What is saved is shown to the model with later questions of this tenant, texts in it included.

    Raises:
        Invalid: a field is empty or too long, the guard refuses the SQL, the intent is none, or
            the tenant has 500 questions for this source already.
    """
    values = {
        "source": _text("source", source, SOURCE_CHARS_MAX),
        "question": " ".join(_text("question", question, QUESTION_CHARS_MAX).split()),
        "intent": _checked_intent(intent),
        "sql": _checked_sql(sql, catalogue),
        "author": _text("author", author, AUTHOR_CHARS_MAX),
    }
    async with db.tenant_transaction(tenant_id) as connection:
        saved = await store.save_question(connection, tenant_id, ids.new(), values)
    if saved is None:
        message = f"There are {QUESTIONS_MAX} saved questions; remove one first."
        raise Invalid(message, param="question")
    return saved


async def list_questions(db: Database, tenant_id: str, source: str) -> list[VerifiedQuestion]:
    """Return the tenant's questions for a source, in the order of their texts; at most 500."""
    async with db.tenant_transaction(tenant_id) as connection:
        return await store.list_questions(connection, source)


async def remove_question(db: Database, tenant_id: str, question_id: str) -> None:
    """Forget a question. Raises NotFound."""
    try:
        wanted = str(uuid.UUID(question_id))
    except ValueError:
        raise NotFound("There is no such saved question.") from None
    async with db.tenant_transaction(tenant_id) as connection:
        removed = await store.remove_question(connection, wanted)
    if not removed:
        raise NotFound("There is no such saved question.")


def examples_for(question: str, saved: list[VerifiedQuestion]) -> tuple[Example, ...]:
    """Return at most three of the questions that are like this one, the most alike first."""
    alike = most_alike(
        question, saved, lambda each: each.question, count=EXAMPLES_MAX, floor=_ALIKE_FROM
    )
    return tuple(Example(each.question, each.intent, each.sql) for each in alike)


def _text(what: str, text: str, chars_max: int) -> str:
    text = text.strip()
    if not 0 < len(text) <= chars_max or not text.replace("\n", " ").isprintable():
        raise Invalid(f"{what}: 1 to {chars_max:,} printable characters.", param=what)
    return text


def _checked_sql(sql: str, catalogue: Catalogue) -> str:
    judged = guard(sql, catalogue)
    if isinstance(judged, Refusal):
        raise Invalid(judged.sentence, param="sql", reason=judged.code)
    return sql


def _checked_intent(intent: str) -> str:
    if len(intent) > INTENT_CHARS_MAX:
        raise Invalid(f"intent: at most {INTENT_CHARS_MAX:,} characters.", param="intent")
    if not intent:
        return ""
    try:
        read = read_intent(intent.encode("utf-8", "replace"))
    except Slip as fault:
        raise Invalid(fault.problem.sentence, param="intent") from None
    return msgspec.json.encode(read).decode()
