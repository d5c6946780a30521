"""Asks every question once and says how each ended."""

from collections.abc import Callable
from datetime import date

import msgspec

from evaluation.asked import FOLDER, Asked
from evaluation.database import FOREIGN_MARK, TENANT
from evaluation.judging import same
from evaluation.running import gold_rows, runner_for
from meterr.query import Catalogue, Column, Relation
from meterr.query.language import (
    Answered,
    AskedBack,
    Asking,
    Clarified,
    Declined,
    Model,
    Outcome,
    Question,
)
from meterr.query.language.visible import visible
from meterr.query.language.words import Words, read_words, usage_words
from meterr.query.run import QueryTimeout

TODAY = date(2026, 11, 23)
"""What "yesterday" counts from, for ever: the data ends on this day."""


class Ended(msgspec.Struct, frozen=True):
    """How one question ended. ``first_failed``: the first answer could not be used."""

    asked: Asked
    how: str  # correct, wrong, declined, asked-back
    tier: str = ""
    completions: int = 0
    code: str = ""
    sql: str = ""
    foreign: bool = False

    @property
    def first_failed(self) -> bool:
        return self.completions > 1


def words_of(source: str) -> Words:
    """Return the words of a source, before anybody's rights."""
    return usage_words() if source == "usage" else read_words((FOLDER / "shop.toml").read_text())


def catalogue_of(source: str) -> Catalogue:
    """Return what the tenant may read: all that is described, and no tenant_id."""
    hidden = (Column("tenant_id", shared=False),) if source == "shop" else ()
    relations = [
        Relation(each.schema, each.name, (*hidden, *(Column(c.name) for c in each.columns)))
        for each in words_of(source).relations
    ]
    return Catalogue(relations, (source,))


class Sitting:
    """Questions about both sources over one database."""

    def __init__(self, tenant_dsn: str) -> None:
        self.catalogues = {source: catalogue_of(source) for source in ("usage", "shop")}
        self.words = {s: visible(words_of(s), each) for s, each in self.catalogues.items()}
        self._runners = {s: runner_for(tenant_dsn, each) for s, each in self.catalogues.items()}
        self._dsn = tenant_dsn

    async def ask(self, asked: Asked, model: Model) -> Ended:
        """Ask one question, and again with what the person said if it was asked back."""
        asking = Asking(model, self._runners[asked.source])
        try:
            outcome = await asking.ask(self._question(asked))
            if isinstance(outcome, AskedBack) and asked.said:
                clarified = Clarified(outcome.text, asked.said)
                outcome = await asking.ask(self._question(asked, clarified))
        except QueryTimeout as late:  # as a person would hear it
            return Ended(asked, "declined", code=late.code)
        return self._judged(asked, outcome)

    def _question(self, asked: Asked, clarified: Clarified | None = None) -> Question:
        words, catalogue = self.words[asked.source], self.catalogues[asked.source]
        return Question(TENANT, asked.text, words, catalogue, TODAY, clarified=clarified)

    def _judged(self, asked: Asked, outcome: Outcome) -> Ended:
        match outcome:
            case AskedBack():
                return Ended(asked, "asked-back", completions=outcome.completions)
            case Declined():
                code = outcome.reason or outcome.code
                return Ended(asked, "declined", "", outcome.completions, code, outcome.sql)
            case Answered():
                gold = gold_rows(self._dsn, asked.gold) if asked.gold else None
                right = gold is not None and same(outcome.result.rows, gold, ordered=asked.ordered)
                told = str(outcome.result.rows) + str(outcome.result.columns)
                how = "correct" if right else "wrong"
                return Ended(
                    asked, how, outcome.tier, outcome.completions, "", outcome.sql,
                    FOREIGN_MARK in told,
                )  # fmt: skip


async def play(
    sitting: Sitting, questions: list[Asked], model_for: Callable[[Asked], Model]
) -> list[Ended]:
    """Ask all questions, each with a model of its own."""
    return [await sitting.ask(question, model_for(question)) for question in questions]
