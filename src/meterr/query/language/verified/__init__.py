"""Questions that a person has confirmed: a tenant's own examples for the next one."""

from meterr.query.language.verified.model import QUESTIONS_MAX, VerifiedQuestion
from meterr.query.language.verified.service import (
    examples_for,
    list_questions,
    remove_question,
    save_question,
)

__all__ = [
    "QUESTIONS_MAX",
    "VerifiedQuestion",
    "examples_for",
    "list_questions",
    "remove_question",
    "save_question",
]
