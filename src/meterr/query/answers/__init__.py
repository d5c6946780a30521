"""Questions from whoever may ask: bounded, answered from a source, and on record."""

from meterr.query.answers.errors import NoModel, QuestionDeclined, QuestionModelRefused
from meterr.query.answers.model import AskedBack, Asker, Given, Inquiry
from meterr.query.answers.service import Answers, Models

__all__ = [
    "Answers",
    "AskedBack",
    "Asker",
    "Given",
    "Inquiry",
    "Models",
    "NoModel",
    "QuestionDeclined",
    "QuestionModelRefused",
]
