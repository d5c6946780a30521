"""
What each dialect's stream events mean for the meter.

Reading an event costs a decode, so each reader first finds by plain byte searches those that may
matter. They miss none: inside a JSON string a quote is escaped, so the bytes ``"usage"`` are always
a whole token, and a key spelled with escapes is caught by its escapes.
"""

import re
from typing import Protocol

import msgspec

from meterr.gateway.metering import anthropic, openai, sse
from meterr.gateway.metering.reading import UNREADABLE, Reading, decode
from meterr.gateway.metering.text import (
    TextCounter,
    chat_text,
    messages_text,
    responses_text,
)

# \u escapes that spell an ASCII letter or underscore, and so could disguise a key.
_SPELLED = re.compile(rb"\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
BACKSLASH = 0x5C  # asked for as a number: four times as fast as for a bytes object
_USAGE = b'"usage"'
_NO_USAGE = b'"usage":null'
_DONE = b"data: [DONE]\n\n"

_CHUNK = msgspec.json.Decoder(openai.ChatChunk)
_BARE = msgspec.json.Decoder(openai.BareChunk)
_RESPONSES_EVENT = msgspec.json.Decoder(openai.ResponsesEvent)
_MESSAGES_EVENT = msgspec.json.Decoder(anthropic.MessagesEvent)


def tells_usage(run: bytes) -> bool:
    """
    Tell whether a chat chunk in ``run`` may hold a usage that is not null.

    With other spacing null is taken for one too, and then read as null.
    """
    last = run.rfind(_USAGE)
    if last >= 0 and (
        not run.startswith(_NO_USAGE, last) or run.count(_USAGE) != run.count(_NO_USAGE)
    ):
        return True
    return BACKSLASH in run and _SPELLED.search(run) is not None


def _found(run: bytes, *tokens: bytes) -> list[int]:
    """Return where ``run`` holds one of ``tokens``."""
    found: list[int] = []
    for token in tokens:
        # Backwards: CPython searches so at twice the speed, and most runs hold none.
        at = run.rfind(token)
        while at >= 0:
            found.append(at)
            at = run.rfind(token, 0, at + len(token) - 1)
    return found


def _places(run: bytes, *tokens: bytes) -> list[int]:
    """Return where ``run`` holds one of ``tokens``, or a key in disguise."""
    found = _found(run, *tokens)
    if BACKSLASH in run:
        found += [each.start() for each in _SPELLED.finditer(run)]
    return found


class Reader(Protocol):
    """The state of one stream, fed with those of its events that may matter."""

    reading: Reading
    complete: bool  # the event that ends a whole stream was seen
    error_seen: bool  # the provider reported a failure inside the stream
    usage_is_final: bool  # it told the usage of the whole answer, whether or not the end came
    text: "TextCounter[msgspec.Struct]"

    def marks(self, run: bytes) -> list[int]:
        """Return a position in each event of ``run`` that could change anything here."""

    def read(self, event: bytes, *, whole: bool = True) -> bool:
        """
        Learn from one event; True if it exists only because usage was asked for.

        ``whole`` is False for what a stream left unfinished: then it is no news if that is no JSON.
        """


class ChatReader:
    """Chunks of chat completions; usage at the top or, Moonshot, in a choice. The last one wins."""

    __slots__ = ("_started", "complete", "error_seen", "reading", "text", "usage_is_final")

    def __init__(self) -> None:
        self.reading = Reading()
        self.complete = False
        self.error_seen = False
        self.usage_is_final = False
        self.text = chat_text()
        self._started = False  # model and id are in the first chunk already

    def marks(self, run: bytes) -> list[int]:
        found = _places(run, b'"error"')
        found += [at for at in _found(run, _USAGE) if not run.startswith(_NO_USAGE, at)]
        if not self._started:
            found += _first_object(run)
        if run.endswith(_DONE):
            found.append(len(run) - len(_DONE))
        elif not self.complete:
            found += _places(run, b"[DONE]")
        return found

    def read(self, event: bytes, *, whole: bool = True) -> bool:
        data = sse.data_of(event)
        if not data:
            return False
        if data.startswith(b"[DONE]"):
            self.complete = True
            return False
        self._started = self._started or _is_object(data)
        chunk, problem = decode(_CHUNK, data)
        if chunk is None:
            if whole:
                self.reading = _unreadable(self.reading)
            return False
        self.error_seen = self.error_seen or bool(chunk.error) or chunk.object == "error"
        usage = chunk.usage
        if usage is not None:
            problem = ""  # a choice may be odd; what the chunk says at its top is sound by itself
        for choice in chunk.choices or ():
            usage = usage or choice.usage
        known = self.reading
        answer = openai.OpenAIAnswer(
            chunk.id or known.answer_id,
            chunk.model or known.model,
            chunk.service_tier or known.tier,
        )
        if usage is not None or problem:
            answer.usage = usage
            self.reading = openai.reading_of(answer, problem, known=known)
        else:
            self.reading = _named(known, answer)
        only_usage = (usage is not None or problem != "") and _only_usage(data)
        if only_usage and self.reading.usage is not None:
            self.usage_is_final = True
        return only_usage


class ResponsesReader:
    """Events of responses; usage is inside the response that the last event repeats."""

    __slots__ = ("complete", "error_seen", "reading", "text", "usage_is_final")

    def __init__(self) -> None:
        self.reading = Reading()
        self.complete = False
        self.error_seen = False
        self.usage_is_final = False
        self.text = responses_text()

    def marks(self, run: bytes) -> list[int]:
        return _places(run, b'"response"', b'"error"')

    def read(self, event: bytes, *, whole: bool = True) -> bool:
        data = sse.data_of(event)
        if not data or data.startswith(b"[DONE]"):
            return False
        found, problem = decode(_RESPONSES_EVENT, data)
        if found is None:
            if whole:
                self.reading = _unreadable(self.reading)
            return False
        if found.type in {"response.completed", "response.incomplete", "response.failed"}:
            self.complete = self.usage_is_final = True
        if found.type in {"response.failed", "error"} or found.error:
            self.error_seen = True
        answer, known = found.response or openai.OpenAIAnswer(), self.reading
        answer.id = answer.id or known.answer_id
        answer.model = answer.model or known.model
        answer.service_tier = answer.service_tier or known.tier
        if answer.usage is not None or problem:
            self.reading = openai.reading_of(answer, problem, known=known)
        else:
            self.reading = _named(known, answer)
        return False


class MessagesReader:
    """Events of messages; each field of usage keeps its last known value."""

    __slots__ = ("_message", "complete", "error_seen", "reading", "text", "usage_is_final")

    def __init__(self) -> None:
        self.reading = Reading()
        self.complete = False
        self.error_seen = False
        self.usage_is_final = False
        self.text = messages_text()
        self._message = anthropic.AnthropicMessage(usage=anthropic.AnthropicUsage())

    def marks(self, run: bytes) -> list[int]:
        return _places(run, b'"message_', b'"error"')

    def read(self, event: bytes, *, whole: bool = True) -> bool:
        data = sse.data_of(event)
        if not data:
            return False
        found, problem = decode(_MESSAGES_EVENT, data)
        if found is None:
            if whole:
                self.reading = _unreadable(self.reading)
            return False
        if found.type == "message_stop":
            self.complete = True
        elif found.type == "error" or found.error:
            self.error_seen = True
        elif found.type in {"message_start", "message_delta"}:
            self._learn(found, problem)
            if found.type == "message_delta" and found.usage is not None:
                self.usage_is_final = True  # it comes once, with the reason of the stop
        return False

    def _learn(self, found: anthropic.MessagesEvent, problem: str) -> None:
        message, known = found.message, self._message
        later = found.usage
        if message is not None:
            known.id = message.id or known.id
            known.model = message.model or known.model
            later = later or message.usage
        if later is not None and known.usage is not None:
            known.usage.learn(later)
        self.reading = anthropic.reading_of(known, problem)


def _is_object(data: bytes) -> bool:
    return data.lstrip(b" \t\n").startswith(b"{")


def _first_object(run: bytes) -> list[int]:
    """Return where the first event of ``run`` lies whose data is an object, if there is one."""
    if run.startswith(b"data: {"):
        return [0]
    start = 0
    for event in sse.events(run):
        if _is_object(sse.data_of(event)):
            return [start + len(sse.lead(event))]
        start += len(event)
    return []


def _only_usage(data: bytes) -> bool:
    bare, _ = decode(_BARE, data)
    if bare is None or bare.usage is None:
        return False
    return not (bare.choices or bare.error or bare.moderation)


def _unreadable(known: Reading) -> Reading:
    """An event that could have held usage is no JSON: known usage stays, else we say why not."""
    if known.usage is not None:
        return known
    return msgspec.structs.replace(known, problem=UNREADABLE)


def _named(known: Reading, answer: openai.OpenAIAnswer) -> Reading:
    return Reading(
        known.usage,
        answer.model or "",
        answer.service_tier or "",
        known.problem,
        answer.id or "",
    )
