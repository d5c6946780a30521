"""A question in plain language: the model is asked, checked, corrected twice at most, and run."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

import msgspec

from meterr.core.errors import Invalid
from meterr.query.charts import chart
from meterr.query.guard import guard
from meterr.query.language.compiler import compile_intent
from meterr.query.language.doubling import counted_twice
from meterr.query.language.intent import read_intent
from meterr.query.language.model import (
    QUESTION_CHARS_MAX,
    Answered,
    AskedBack,
    Declined,
    Outcome,
    Question,
    Tier,
)
from meterr.query.language.ports import Model, Runner
from meterr.query.language.prompt import Message, opening, repair
from meterr.query.language.reply import SIMULATOR_SAYS, Decline, Reply, read_reply
from meterr.query.language.slips import Problem, Slip
from meterr.query.refusal import Refusal
from meterr.query.run import QueryFailed, QueryRefused, QueryTooCostly

REPAIRS_MAX: Final = 2

_DECLINED: Mapping[Decline, str] = {
    Decline.NOT_HERE: "The data at hand cannot answer this question.",
    Decline.NOT_ALLOWED: "Questions read your own data; they change nothing and reach nobody else.",
    Decline.NO_QUESTION: "This is not a question about the data at hand.",
}


class _Draft(msgspec.Struct, frozen=True):
    """SQL that the guard has let pass, and who wrote it."""

    sql: str
    tier: Tier
    intent: str = ""


class Asking:
    """Answers questions with one model and one runner. Keeps nothing between two questions."""

    def __init__(self, model: Model, runner: Runner) -> None:
        self._model = model
        self._runner = runner
        file = resources.files(__package__).joinpath("instructions.md")
        self._instructions = file.read_text(encoding="utf-8")

    async def ask(self, question: Question) -> Outcome:
        """
        Answer ``question``, ask back once, or decline.

        The model hears words of the catalogue, examples and codes of ours; never a row, and never
        an error of the server. At most three completions.

        Raises:
            Invalid: the question, or what was said to a question back, is empty or longer than
                1,000 characters.
            MeterrError: the model or the database is away, or out of time.
        """
        _require_text("question", question.text)
        if question.clarified is not None:
            _require_text("said", question.clarified.said)
        heard = _Heard(self._model)
        outcome = await self._outcome(question, heard)
        return msgspec.structs.replace(outcome, simulated=heard.simulated)

    async def _outcome(self, question: Question, model: Model) -> Outcome:
        messages = opening(
            self._instructions,
            question.text,
            question.words,
            question.today,
            examples=question.examples,
            clarified=question.clarified,
        )
        tried = ""
        problem = Problem("", "")
        for completions in range(1, REPAIRS_MAX + 2):
            text = await model.complete(messages)
            reply = read_reply(text)
            if isinstance(reply, Reply) and (ended := _ended(reply, question, completions)):
                return ended
            draft = reply if isinstance(reply, Problem) else _draft(reply, question)
            if isinstance(draft, _Draft):
                tried = draft.sql
                outcome = await self._run(draft, question.tenant_id, completions)
                if isinstance(outcome, Answered):
                    return outcome
                draft = outcome
            problem = draft
            messages = (*messages, *repair(text, problem))
        sentence = (
            "No usable answer came, also after two corrections; ask in other words, or in SQL."
        )
        return Declined("not-understood", sentence, REPAIRS_MAX + 1, problem.code, tried)

    async def _run(self, draft: _Draft, tenant_id: str, completions: int) -> Answered | Problem:
        try:
            result = await self._runner.run(tenant_id, draft.sql)
        except (QueryRefused, QueryFailed, QueryTooCostly) as error:
            # Not what ran out of time: it would take as long again.
            return Problem(error.reason or error.code, error.detail)
        picture = chart(result.columns, result.rows)
        return Answered(draft.sql, draft.tier, result, picture, completions, draft.intent)


class _Heard:
    """A model that is listened to: the simulator says what it is."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.simulated = False

    async def complete(self, messages: Sequence[Message]) -> str:
        text = await self._model.complete(messages)
        self.simulated = self.simulated or text.startswith(SIMULATOR_SAYS)
        return text


def _require_text(what: str, text: str) -> None:
    if not text.strip() or len(text) > QUESTION_CHARS_MAX:
        raise Invalid(f"{what}: 1 to {QUESTION_CHARS_MAX:,} characters.", param=what)


def _ended(reply: Reply, question: Question, completions: int) -> AskedBack | Declined | None:
    """Return the end that a reply means by itself, None when there is something to run."""
    if reply.decline is not None:
        code = reply.decline.value.replace(" ", "-")
        return Declined(code, _DECLINED[reply.decline], completions)
    if reply.ask is None:
        return None
    if question.clarified is None:
        return AskedBack(reply.ask, completions)
    sentence = "The question can still mean several things; say which figures, of what, and when."
    return Declined("ambiguous", sentence, completions)


def _draft(reply: Reply, question: Question) -> _Draft | Problem:
    """Return SQL that passes the guard, or what is wrong."""
    if reply.sql is not None:
        draft = _Draft(reply.sql, Tier.SQL)
    else:
        try:
            intent = read_intent(reply.intent or b"")
            sql = compile_intent(intent, question.words, question.today)
        except Slip as fault:
            return fault.problem
        draft = _Draft(sql, Tier.METRIC, msgspec.json.encode(intent).decode())
    judged = guard(draft.sql, question.catalogue)
    if isinstance(judged, Refusal):
        return Problem(judged.code, judged.sentence)
    twice = counted_twice(draft.sql, question.words) if draft.tier is Tier.SQL else None
    return twice or draft
