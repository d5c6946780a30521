"""Model answers on file, found by a digest of exactly what was asked; else it is a miss."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from meterr.query.language import Message, Model

HAND_WRITTEN = "hand-written"
"""The model name under which answers are kept that a person made up."""


class CassetteMiss(Exception):
    """Nobody answered these messages yet: the prompt, the words or the question changed."""


class Take(msgspec.Struct, frozen=True):
    """One answer. ``origin`` is ``hand-written`` or ``recorded``; nothing else is a recording."""

    digest: str
    question: str
    turn: int
    origin: str
    model: str
    content: str


def digest_of(model: str, messages: Sequence[Message], parameters: Mapping[str, object]) -> str:
    """Digest all that a model's answer depends on."""
    asked = {"model": model, "messages": messages, "parameters": parameters}
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def file_of(folder: Path, model: str) -> Path:
    """Return where the takes of a model are."""
    return folder / f"{model.replace('/', '-')}.jsonl"


def read_takes(path: Path) -> dict[str, Take]:
    """Return the takes of a file by digest; none when there is no file."""
    if not path.exists():
        return {}
    lines = path.read_bytes().splitlines()
    takes = [msgspec.json.decode(line, type=Take) for line in lines]
    return {take.digest: take for take in takes}


def write_takes(path: Path, takes: Iterable[Take]) -> None:
    """Write one line for each take, in the order of questions and turns."""
    ordered = sorted(takes, key=lambda take: (take.question, take.turn))
    path.write_bytes(b"".join(msgspec.json.encode(take) + b"\n" for take in ordered))


class Player:
    """A model that only knows what is on file."""

    def __init__(self, model: str, takes: Mapping[str, Take]) -> None:
        self._model = model
        self._takes = takes

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return the recorded answer. Raises CassetteMiss."""
        take = self._takes.get(digest_of(self._model, messages, {}))
        if take is None:
            raise CassetteMiss(messages[-1].content[-200:])
        return take.content


class Scripted:
    """Answers in the order that somebody wrote them; the last one is said again and again."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self._said = 0

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return the next answer."""
        at = min(self._said, len(self._answers) - 1)
        self._said += 1
        return self._answers[at]


class Recorder:
    """Passes questions on and keeps what came back."""

    def __init__(self, inner: Model, question: str, model: str, origin: str) -> None:
        self.takes: list[Take] = []
        self.question = question
        self._inner = inner
        self._model = model
        self._origin = origin

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return what the model behind says."""
        content = await self._inner.complete(messages)
        digest = digest_of(self._model, messages, {})
        turn = len(self.takes) + 1
        take = Take(digest, self.question, turn, self._origin, self._model, content)
        self.takes.append(take)
        return content
