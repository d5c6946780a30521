"""
What a model answered, read tolerantly: one JSON object somewhere in its text. Pure.

Tolerated: fences or none, prose around, thinking in tags, an intent without its wrapper, SQL in
a fence of its own. Not tolerated: JSON that is none (trailing commas), and two different answers.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from meterr.query.language.slips import Problem

SIMULATOR_SAYS = "This is meterr's simulator: a rule wrote this, not a model."
"""What meterr's own simulator puts before each of its answers."""

REPLY_CHARS_MAX = 60_000
ASKED_CHARS_MAX = 300
_OBJECTS_MAX = 50
_THOUGHT = re.compile(r"\A.*?</think(?:ing)?>", re.DOTALL)
_SQL_FENCE = re.compile(
    r"^```(?:sql|postgres|postgresql)[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE
)


class Decline(StrEnum):
    """Why a model says that it cannot answer; it chooses a word, the sentence is ours."""

    NOT_HERE = "not here"
    NOT_ALLOWED = "not allowed"
    NO_QUESTION = "no question"


class Reply(msgspec.Struct, frozen=True):
    """Exactly one of the four. ``intent`` is JSON text that nobody has looked into yet."""

    intent: bytes | None = None
    sql: str | None = None
    ask: str | None = None
    decline: Decline | None = None


_ABSENT = msgspec.Raw(b"null")


class _Said(msgspec.Struct, frozen=True):
    """All that an answer may have at its top; what else is there is ignored."""

    intent: msgspec.Raw = _ABSENT
    sql: str | None = None
    ask: str | None = None
    decline: str | None = None
    metric: msgspec.Raw = _ABSENT


def read_reply(text: str) -> Reply | Problem:
    """Return the one answer in ``text``, or what is wrong with it. Never raises."""
    if len(text) > REPLY_CHARS_MAX:
        return Problem("answer-long", "The answer is too long; give one JSON object.")
    spoken = _THOUGHT.sub("", text, count=1)
    found = list(dict.fromkeys(filter(None, map(_reply, _objects(spoken)))))
    if not found and (fenced := _SQL_FENCE.findall(spoken)):
        found = [Reply(sql=sql.strip()) for sql in dict.fromkeys(fenced)]
    if len(found) > 1:
        return Problem("answer-many", "There are several answers; give one JSON object.")
    if not found:
        sentence = "There is no answer in the agreed form; give one fenced JSON object."
        return Problem("answer-form", sentence)
    return found[0]


def _reply(text: str) -> Reply | None:
    try:
        said = msgspec.json.decode(text, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError, RecursionError):
        return None
    intent, metric = bytes(said.intent), bytes(said.metric)
    replies = [
        Reply(intent=intent) if intent != b"null" else None,
        Reply(intent=text.encode()) if metric != b"null" and intent == b"null" else None,
        Reply(sql=said.sql) if said.sql else None,
        Reply(ask=_shown(said.ask)) if said.ask else None,
        Reply(decline=_declined(said.decline)) if said.decline else None,
    ]
    given = [reply for reply in replies if reply is not None]
    return given[0] if len(given) == 1 else None


def _shown(text: str) -> str:
    """Return a model's words as a person may see them: one line, no codes of a terminal."""
    clean = "".join(char if char.isprintable() else " " for char in text[:ASKED_CHARS_MAX])
    return " ".join(clean.split())


def _declined(word: str) -> Decline:
    try:
        return Decline(word.replace("-", " ").replace("_", " ").casefold())
    except ValueError:
        return Decline.NOT_HERE


def _objects(text: str) -> Iterator[str]:
    """Yield each outermost ``{...}``, braces within texts of JSON not counted."""
    at = text.find("{")
    for _ in range(_OBJECTS_MAX):
        if at < 0:
            return
        end = _closing(text, at)
        if end < 0:  # a brace in prose, or JSON that was cut off
            at = text.find("{", at + 1)
            continue
        yield text[at : end + 1]
        at = text.find("{", end + 1)


_MARK = re.compile(r'[{}"\\]')


def _closing(text: str, start: int) -> int:
    depth, quoted, skip = 0, False, -1
    for mark in _MARK.finditer(text, start):
        at, char = mark.start(), mark.group()
        if at == skip:
            continue
        if quoted:
            if char == "\\":
                skip = at + 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return at
    return -1
