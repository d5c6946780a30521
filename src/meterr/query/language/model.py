"""Frozen types: a question, and the three ways it can end."""

from datetime import date
from enum import StrEnum

import msgspec

from meterr.query.catalogue import Catalogue
from meterr.query.charts import Chart
from meterr.query.language.ports import Result
from meterr.query.language.prompt import Clarified, Example
from meterr.query.language.words import Words

QUESTION_CHARS_MAX = 1000


class Tier(StrEnum):
    """Who wrote the SQL."""

    METRIC = "metric"  # we did, from an intent of the model's
    SQL = "sql"  # the model did, and the guard let it pass


class Question(msgspec.Struct, frozen=True):
    """
    A question in plain language, over one source.

    ``words`` are what this identity may hear of (``visible.visible``) and ``catalogue`` what it may
    read; ``today`` is the UTC day that "yesterday" counts from.
    """

    tenant_id: str
    text: str
    words: Words
    catalogue: Catalogue
    today: date
    examples: tuple[Example, ...] = ()
    clarified: Clarified | None = None


class Answered(msgspec.Struct, frozen=True):
    """The SQL that ran, which a person may edit and run again, and what it brought."""

    sql: str
    tier: Tier
    result: Result
    chart: Chart
    completions: int  # how often the model was asked
    intent: str = ""  # JSON of tier 1, for a question that is saved
    simulated: bool = False  # by meterr's simulator, which says so: no model was asked


class AskedBack(msgspec.Struct, frozen=True):
    """The question can mean several things. ``text`` is the model's: to be shown as text only."""

    text: str
    completions: int = 1
    simulated: bool = False


class Declined(msgspec.Struct, frozen=True):
    """
    There is no answer.

    ``code`` is ``not-here``, ``not-allowed``, ``no-question``, ``ambiguous`` or ``not-understood``;
    with the last one, ``reason`` is the code of what was wrong at the end (the guard's, the
    executor's or one of ``slips``) and ``sql`` the last attempt that the guard let pass.
    """

    code: str
    sentence: str
    completions: int
    reason: str = ""
    sql: str = ""
    simulated: bool = False


Outcome = Answered | AskedBack | Declined
