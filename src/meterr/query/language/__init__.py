"""Questions in plain language: words of a catalogue go to a model, checked SQL comes back."""

from meterr.query.language.compiler import compile_intent
from meterr.query.language.intent import Intent, read_intent
from meterr.query.language.model import (
    Answered,
    AskedBack,
    Declined,
    Outcome,
    Question,
    Tier,
)
from meterr.query.language.ports import Model, Runner
from meterr.query.language.prompt import Clarified, Example, Message
from meterr.query.language.service import Asking

__all__ = [
    "Answered",
    "AskedBack",
    "Asking",
    "Clarified",
    "Declined",
    "Example",
    "Intent",
    "Message",
    "Model",
    "Outcome",
    "Question",
    "Runner",
    "Tier",
    "compile_intent",
    "read_intent",
]
