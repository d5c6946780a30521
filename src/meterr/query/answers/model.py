"""Frozen types: who asks, what, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec

from meterr.core.errors import Invalid
from meterr.core.principal import Principal
from meterr.query.catalogue import Catalogue
from meterr.query.charts import Chart
from meterr.query.language import Clarified
from meterr.query.language.ports import ResultColumn
from meterr.query.run.usage_source import SCHEMA
from meterr.query.sources import USAGE, OpenSource

_SINGLE_CALLS: Final = (SCHEMA, "calls")
SQL_GIVEN: Final = "sql given"
"""The tier of an answer whose SQL was sent. The others are those of ``language.Tier``."""


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Somebody who may ask about a tenant's data.

    ``name`` is what their questions at the same time are counted under, e.g. ``user <id>``.
    ``sees_calls``: calls one by one are for them, too. ``principal`` is the API key, if it is one.
    """

    tenant_id: str
    name: str
    sees_calls: bool
    principal: Principal | None = None

    def catalogue(self, source: OpenSource) -> Catalogue:
        """Return what of ``source`` this one may read."""
        if self.sees_calls or source.name != USAGE:
            return source.catalogue
        found = source.catalogue.relations.items()
        shown = (relation for name, relation in found if name != _SINGLE_CALLS)
        return Catalogue(shown, source.catalogue.search_path)


class Inquiry(msgspec.Struct, frozen=True):
    """A question in plain language or a statement: exactly one of them."""

    question: str | None = None
    sql: str | None = None
    source: str = USAGE
    clarified: Clarified | None = None

    def checked(self) -> Self:
        """Return this one. Raises Invalid for both, neither, or an answer to nothing asked."""
        if self.question is None and self.sql is None:
            raise Invalid("Send a question in plain language, or sql.", param="question")
        if self.question is not None and self.sql is not None:
            raise Invalid("Send either question or sql, and not both.", param="sql")
        if self.clarified is not None and self.question is None:
            raise Invalid("clarified goes with a question in plain language.", param="clarified")
        return self


class Given(msgspec.Struct, frozen=True):
    """
    An answer. ``sql`` is what ran: a person may edit it and run it again.

    ``tier`` says who wrote it: ``sql given`` whoever asks, ``metric`` meterr, from an intent of the
    model's (``intent``, JSON), ``sql`` the model. ``completions``: how often that was asked.
    ``simulated``: it was meterr's simulator, which answers by rule.
    """

    sql: str
    columns: Sequence[ResultColumn]
    rows: Sequence[Sequence[object]]
    truncated: bool
    relations: Sequence[str]
    tier: str
    chart: Chart
    completions: int = 0
    intent: str = ""
    simulated: bool = False


class AskedBack(msgspec.Struct, frozen=True):
    """The question can mean several things. ``ask`` is a model's text, to be shown as text only."""

    ask: str
    completions: int
    simulated: bool = False
