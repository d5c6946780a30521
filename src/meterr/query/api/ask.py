"""``POST /v1/query``, and the same at ``/api/query``: a question, an answer."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
from fastapi import Response
from pydantic import Field, JsonValue

from meterr.core.api import Asked, CallerHere, NotConfigured, Operation, Shown
from meterr.core.clock import Clock
from meterr.core.policy import Permission, Route
from meterr.core.principal import Scope
from meterr.query.answers import Answers, Inquiry, QuestionDeclined, QuestionModelRefused
from meterr.query.api.asker import Source, asker_of
from meterr.query.language import Clarified
from meterr.query.language.model import QUESTION_CHARS_MAX
from meterr.query.run import QueryFailed, QueryRefused, QueryTimeout, QueryTooCostly
from meterr.query.sources import USAGE
from meterr.query.walls import QueryNotSetUp, TooManyQuestions

COUNTED_AS: Final = "questions-per-minute"
"""The allowance that a question takes from, by its name in headers."""

PATHS: Final = ("/v1/query", "/api/query")


class ClarifiedAsked(Asked):
    """What was asked back, word for word, and what the person says to it."""

    asked: str = Field(min_length=1, max_length=QUESTION_CHARS_MAX)
    said: str = Field(min_length=1, max_length=QUESTION_CHARS_MAX)


class QueryAsked(Asked):
    """
    Either ``question``, in plain language, or ``sql``: one SELECT of at most 20,000 bytes.

    A question has 1 to 1,000 characters. What is too long or empty is refused where it is asked,
    so that it is on record like any other.
    """

    question: str | None = None
    sql: str | None = None
    source: Source = USAGE
    clarified: ClarifiedAsked | None = None


class ColumnShown(Shown):
    """A column. Names need not be different from each other."""

    name: str
    type: Literal["number", "integer", "text", "boolean", "time", "date", "json"]


class ChartShown(Shown):
    """How to show it first. Columns by their place; ``series`` splits a line by a category."""

    kind: Literal["line", "bar", "figure", "table"]
    x: int | None
    y: list[int]
    series: int | None


class AnswerShown(Shown):
    """
    An answer. Decimals are text, times ISO 8601 in UTC. ``sql`` is what ran: edit it, run it again.

    ``tier`` is who wrote it: ``sql given`` whoever asked, ``metric`` meterr from the model's
    ``intent``, ``sql`` the model. ``truncated``: there are more rows. ``completions``: how often
    the model was asked. ``simulated``: that was meterr's simulator, which answers by rule.
    """

    sql: str
    columns: list[ColumnShown]
    rows: list[list[JsonValue]]
    truncated: bool
    relations: list[str]
    tier: Literal["sql given", "metric", "sql"]
    chart: ChartShown
    completions: int
    intent: str
    simulated: bool


class AskedBackShown(Shown):
    """The question can mean several things: ask it again with ``clarified``. ``ask`` is text."""

    ask: str
    completions: int
    simulated: bool


class AskRoutes:
    """Questions about a tenant's data."""

    def __init__(self, answers: Answers, clock: Clock) -> None:
        self._answers = answers
        self._clock = clock

    async def ask(self, asked: QueryAsked, caller: CallerHere) -> Response:
        """Ask in plain language or in SQL; there is an answer, or one question back."""
        told = asked.clarified
        inquiry = Inquiry(
            question=asked.question,
            sql=asked.sql,
            source=asked.source,
            clarified=None if told is None else Clarified(told.asked, told.said),
        )
        outcome = await self._answers.answer(asker_of(caller, self._clock), inquiry)
        return Response(msgspec.json.encode(outcome), media_type="application/json")

    def operations(self) -> Iterator[Operation]:
        """Yield the routes."""
        for path, name in zip(PATHS, ("query.ask", "query.ask_there"), strict=True):
            yield Operation(
                Route("POST", path),
                Permission.TENANT_QUERY_ASK,
                self.ask,
                name,
                errors=(
                    QueryRefused,
                    QueryFailed,
                    QueryTooCostly,
                    QueryTimeout,
                    QuestionDeclined,
                    QuestionModelRefused,
                    TooManyQuestions,
                    QueryNotSetUp,
                    NotConfigured,
                ),
                of_caller=True,
                key_scope=Scope.QUERY,
                counted_as=COUNTED_AS,
                shows=AnswerShown | AskedBackShown,
                ends_with_client=True,
            )
