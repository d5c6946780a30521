"""The use case: somebody asks; there is an answer, a question back, or a reason why not."""

import asyncio
from contextlib import suppress
from datetime import date
from typing import Protocol

from meterr import identity
from meterr.core.clock import Clock, as_datetime
from meterr.core.db import Database
from meterr.core.errors import MeterrError, Unavailable
from meterr.query.answers.errors import NoModel, QuestionDeclined, QuestionModelRefused
from meterr.query.answers.model import SQL_GIVEN, AskedBack, Asker, Given, Inquiry
from meterr.query.answers.records import Records
from meterr.query.answers.turns import Turns
from meterr.query.charts import chart
from meterr.query.guard import guard
from meterr.query.language import (
    Answered,
    Asking,
    Declined,
    Example,
    Model,
    Question,
)
from meterr.query.language import AskedBack as Unclear
from meterr.query.language.ports import COMPLETION_S_MAX
from meterr.query.language.service import REPAIRS_MAX
from meterr.query.language.verified import examples_for, list_questions
from meterr.query.language.visible import visible
from meterr.query.refusal import Refusal
from meterr.query.run import QueryRefused
from meterr.query.sources import OpenSource, SourceOpener


class Models(Protocol):
    """The model that turns questions into SQL, as each tenant asks it."""

    @property
    def model(self) -> str:
        """Its name at the gateway."""

    def of(self, tenant_id: str) -> Model:
        """Return it for one tenant."""


class Answers:
    """
    Answers questions of all tenants. Belongs to one event loop.

    Args:
        sources: What can be asked about.
        models: Who writes SQL; None where no model was chosen.
        db: The database as ``Role.APP``.
        clock: Says which day it is, in UTC.
        at_once_max: Questions that one asker may have open at the same time, in all processes.
        timeout_s: Seconds that one statement may run.
    """

    def __init__(
        self,
        sources: SourceOpener,
        models: Models | None,
        db: Database,
        clock: Clock,
        at_once_max: int,
        timeout_s: float,
    ) -> None:
        self._sources = sources
        self._models = models
        self._db = db
        self._clock = clock
        self._turns = Turns(db, at_once_max)
        self._timeout_s = timeout_s
        self._records = Records(db)

    @property
    def speaks(self) -> bool:
        """Whether questions can be asked in plain language."""
        return self._models is not None

    async def answer(self, asker: Asker, inquiry: Inquiry) -> Given | AskedBack:
        """
        Answer, or ask back. What came of it is on record before anybody hears of it.

        When the caller is cancelled, so is the statement.

        Raises:
            Invalid: not exactly one of question and sql.
            UnknownSource, NotFound: no such source, or the tenant does not count any more.
            QueryRefused, QueryFailed, QueryTooCostly, QueryTimeout: the statement is at fault.
            QuestionDeclined, QuestionModelRefused, NoModel: plain language did not help.
            TooManyQuestions, QueryNotSetUp, Unavailable: nobody's fault who asks.
        """
        inquiry.checked()
        try:
            async with self._turns.taken(asker.name, self._longest_s(inquiry)):
                outcome = await self._outcome(asker, inquiry)
        except MeterrError as error:
            await self._records.refused(asker, inquiry, error)
            raise
        except asyncio.CancelledError:
            with suppress(Unavailable):
                await asyncio.shield(self._records.left(asker, inquiry))
            raise
        await self._records.answered(asker, inquiry, outcome)
        return outcome

    async def _outcome(self, asker: Asker, inquiry: Inquiry) -> Given | AskedBack:
        source = await self._sources.open(asker.tenant_id, inquiry.source)
        if inquiry.sql is not None:
            return await self._run(asker, source, inquiry.sql)
        return await self._ask(asker, source, inquiry, inquiry.question or "")

    async def _run(self, asker: Asker, source: OpenSource, sql: str) -> Given:
        catalogue = asker.catalogue(source)
        if catalogue is not source.catalogue:  # the runner judges by the whole one
            verdict = guard(sql, catalogue)
            if isinstance(verdict, Refusal):
                raise QueryRefused(verdict)
        found = await source.runner.run(asker.tenant_id, sql)
        return Given(
            sql=sql,
            columns=found.columns,
            rows=found.rows,
            truncated=found.truncated,
            relations=found.relations,
            tier=SQL_GIVEN,
            chart=chart(found.columns, found.rows),
        )

    async def _ask(
        self, asker: Asker, source: OpenSource, inquiry: Inquiry, text: str
    ) -> Given | AskedBack:
        asking = Asking(self._model_for(asker), source.runner)
        catalogue = asker.catalogue(source)
        question = Question(
            tenant_id=asker.tenant_id,
            text=text,
            words=visible(source.words, catalogue),
            catalogue=catalogue,
            today=self._today(),
            examples=await self._examples(asker, source, inquiry.source, text),
            clarified=inquiry.clarified,
        )
        outcome = await asking.ask(question)
        match outcome:
            case Declined():
                raise QuestionDeclined(outcome)
            case Unclear():
                return AskedBack(outcome.text, outcome.completions, outcome.simulated)
        return _given(outcome)

    def _model_for(self, asker: Asker) -> Model:
        if self._models is None:
            raise NoModel
        key = asker.principal
        if key is not None and not identity.allows_model(key, self._models.model):
            raise QuestionModelRefused
        return self._models.of(asker.tenant_id)

    async def _examples(
        self, asker: Asker, source: OpenSource, name: str, text: str
    ) -> tuple[Example, ...]:
        """Return saved questions like this one, but for those that this asker could not ask."""
        saved = await list_questions(self._db, asker.tenant_id, name)
        catalogue = asker.catalogue(source)
        alike = examples_for(text, saved)
        return tuple(e for e in alike if not isinstance(guard(e.sql, catalogue), Refusal))

    def _longest_s(self, inquiry: Inquiry) -> float:
        """Return how long this may take at most: in plain language, model and database by turns."""
        if inquiry.sql is not None:
            return self._timeout_s
        return (REPAIRS_MAX + 1) * (COMPLETION_S_MAX + self._timeout_s)

    def _today(self) -> date:
        return as_datetime(self._clock.unix_ms()).date()


def _given(answered: Answered) -> Given:
    found = answered.result
    return Given(
        sql=answered.sql,
        columns=found.columns,
        rows=found.rows,
        truncated=found.truncated,
        relations=found.relations,
        tier=answered.tier.value,
        chart=answered.chart,
        completions=answered.completions,
        intent=answered.intent,
        simulated=answered.simulated,
    )
