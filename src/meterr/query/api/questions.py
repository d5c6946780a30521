"""``/v1/query/questions``: questions whose answer a person has confirmed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pydantic import Field

from meterr.core.api import After, Asked, CallerHere, Limit, Operation, Shown
from meterr.core.api.paging import paged
from meterr.core.clock import as_datetime
from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.core.policy import Permission, Route
from meterr.core.principal import Scope
from meterr.query.api.asker import Source, SourceQuery
from meterr.query.language.verified import (
    VerifiedQuestion,
    list_questions,
    remove_question,
    save_question,
)
from meterr.query.language.verified.model import INTENT_CHARS_MAX
from meterr.query.language.verified.model import QUESTION_CHARS_MAX as SAVED_CHARS_MAX
from meterr.query.sources import USAGE, SourceOpener

_PATH: Final = "/v1/query/questions"
_SQL_CHARS_MAX: Final = 20_000


class QuestionAsked(Asked):
    """A question and the SQL that answers it; ``intent`` as the answer had it."""

    question: str = Field(min_length=1, max_length=SAVED_CHARS_MAX)
    sql: str = Field(min_length=1, max_length=_SQL_CHARS_MAX)
    intent: str = Field("", max_length=INTENT_CHARS_MAX)
    source: Source = USAGE


class QuestionShown(Shown):
    """A saved question, and who vouches for its answer."""

    question_id: str
    source: str
    question: str
    sql: str
    intent: str
    author: str
    created_at: datetime


class QuestionList(Shown):
    """One page of saved questions, in the order of their texts."""

    items: list[QuestionShown]
    after: str | None


class QuestionRoutes:
    """Saved questions of a tenant. They go along with later questions as examples."""

    def __init__(self, sources: SourceOpener, db: Database, ids: IdFactory) -> None:
        self._sources = sources
        self._db = db
        self._ids = ids

    async def list(
        self,
        caller: CallerHere,
        source: SourceQuery = USAGE,
        after: After = None,
        limit: Limit = 50,
    ) -> QuestionList:
        """List saved questions."""
        await self._sources.open(caller.tenant_id, source)
        found = await list_questions(self._db, caller.tenant_id, source)
        page, last = paged(found, after, limit, lambda each: each.question_id)
        return QuestionList(items=[_shown(each) for each in page], after=last)

    async def save(self, asked: QuestionAsked, caller: CallerHere) -> QuestionShown:
        """Save a question with its SQL; whoever does vouches that the answer is right."""
        opened = await self._sources.open(caller.tenant_id, asked.source)
        saved = await save_question(
            self._db,
            self._ids,
            opened.catalogue,
            caller.tenant_id,
            asked.source,
            asked.question,
            asked.sql,
            intent=asked.intent,
            author=caller.author,
        )
        return _shown(saved)

    async def end(self, question_id: str, caller: CallerHere) -> None:
        """End a saved question: it is an example no more."""
        await remove_question(self._db, caller.tenant_id, question_id)

    def operations(self) -> Iterator[Operation]:
        """Yield the routes. A key may not vouch, so saving takes a person."""
        ask, save = Permission.TENANT_QUERY_ASK, Permission.TENANT_QUERY_SAVE
        listing = Operation(
            Route("GET", _PATH),
            ask,
            self.list,
            "questions.list",
            of_caller=True,
            key_scope=Scope.QUERY,
        )
        saving = Operation(
            Route("POST", _PATH), save, self.save, "questions.save", status=201, of_caller=True
        )
        ending = Operation(
            Route("DELETE", f"{_PATH}/{{question_id}}"),
            save,
            self.end,
            "questions.end",
            status=204,
            of_caller=True,
        )
        yield from (listing, saving, ending)


def _shown(question: VerifiedQuestion) -> QuestionShown:
    return QuestionShown(
        question_id=question.question_id,
        source=question.source,
        question=question.question,
        sql=question.sql,
        intent=question.intent,
        author=question.author,
        created_at=as_datetime(question.created_at_ms),
    )
