"""Frozen types of verified questions, and what may be kept of one."""

from dataclasses import dataclass
from typing import Final

QUESTIONS_MAX: Final = 500
"""For each tenant and source: as many as a search may compare a question with, see ``likeness``."""

QUESTION_CHARS_MAX: Final = 500  # it stands in a key, and a key has at most 2.7 kB
INTENT_CHARS_MAX: Final = 4000
AUTHOR_CHARS_MAX: Final = 200
SOURCE_CHARS_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class VerifiedQuestion:
    """
    A question, the SQL that a person confirmed for it, and who that was.

    ``intent`` is there when tier 1 wrote the SQL: as an example it is worth more, since its range
    moves on with the days.
    """

    question_id: str
    source: str
    question: str
    intent: str
    sql: str
    author: str
    created_at_ms: int
