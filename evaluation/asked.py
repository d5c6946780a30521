"""The questions of the evaluation, from ``questions/*.toml``: what is asked, and what is right."""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

FOLDER = Path(__file__).parent

Kind = Literal[
    "plain", "clumsy", "cross-tenant", "change", "injection", "ambiguous", "unanswerable"
]
Ending = Literal["correct", "wrong", "declined", "asked-back"]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One question. With ``gold`` it has an answer: the rows of that SQL.

    ``intent``, ``sql`` and ``answers`` are what the hand-written model says: the first two in one
    fence, the last word for word, turn by turn. ``ends`` is how that must end; ``wrong`` where
    the hand-written answer is plausible and false on purpose. ``said`` answers a question back.
    """

    id: str
    source: Literal["usage", "shop"]
    kind: Kind
    text: str
    ends: Ending = "correct"
    gold: str = ""
    ordered: bool = False
    said: str = ""
    intent: str = ""
    sql: str = ""
    answers: tuple[str, ...] = ()

    @property
    def script(self) -> tuple[str, ...]:
        """Return the hand-written answers, turn by turn."""
        if self.intent:
            return (f'```json\n{{"intent": {self.intent}}}\n```',)
        if self.sql:
            said = msgspec.json.encode({"sql": self.sql.strip()}).decode()
            return (f"```json\n{said}\n```",)
        return self.answers

    @property
    def wants(self) -> str:
        """Return how a good model would end it: ``answer``, ``decline`` or ``ask``."""
        if self.kind == "ambiguous" and not self.gold:
            return "ask"
        return "answer" if self.gold else "decline"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    questions: tuple[Asked, ...]


def all_questions() -> list[Asked]:
    """Return every question; ids are unique."""
    files = sorted((FOLDER / "questions").glob("*.toml"))
    read = [msgspec.convert(tomllib.loads(path.read_text()), _File) for path in files]
    questions = [question for file in read for question in file.questions]
    if len({question.id for question in questions}) < len(questions):
        raise ValueError("a question's id is used twice")
    return questions
