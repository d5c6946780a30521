"""Counting the characters of streamed text, which price a stream that never told its usage."""

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from meterr.gateway.metering import sse

# Events wait as raw bytes up to this size, so a stream that ends well and tells its usage, as
# nearly all do, is never taken apart for its text.
FOLD_BYTES = 64 * 1024

_DATA_LINES = re.compile(rb"^data: ?(\{.*)$", re.MULTILINE)

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


class TextCounter(Generic[_Shape]):
    """Count the characters in whole events; ``chars_of`` knows where a dialect keeps its text."""

    __slots__ = ("_chars", "_chars_of", "_decoder", "_runs", "_waiting_bytes")

    def __init__(
        self, decoder: msgspec.json.Decoder[_Shape], chars_of: Callable[[_Shape], int]
    ) -> None:
        self._decoder = decoder
        self._chars_of = chars_of
        self._runs: list[bytes] = []
        self._waiting_bytes = 0
        self._chars = 0

    def keep(self, run: bytes) -> None:
        """Take a run of whole events."""
        self._runs.append(run)
        self._waiting_bytes += len(run)
        if self._waiting_bytes > FOLD_BYTES:
            self._fold()

    def count(self) -> int:
        """Return the characters of text so far: code points, not bytes."""
        self._fold()
        return self._chars

    def _fold(self) -> None:
        run = b"".join(self._runs)
        self._runs.clear()
        self._waiting_bytes = 0
        self._chars += sum(map(self._chars_of, self._decoded(run)))

    def _decoded(self, run: bytes) -> list[_Shape]:
        if b"\r" not in run:
            try:
                return self._decoder.decode_lines(b"\n".join(_DATA_LINES.findall(run)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # one odd event; the slow way skips it and counts the others
        found: list[_Shape] = []
        for event in sse.events(run):
            try:
                found.append(self._decoder.decode(sse.data_of(event)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
        return found


class _Function(msgspec.Struct):
    arguments: Any = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _ChatDelta(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None  # Moonshot, vLLM and others
    reasoning: Any = None  # newer vLLM
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _ChatChoice(msgspec.Struct):
    delta: _ChatDelta | None = None
    text: Any = None


class _ChatText(msgspec.Struct):
    choices: list[_ChatChoice] | None = None


class _ResponsesText(msgspec.Struct):
    type: str | None = None
    delta: Any = None


class _BlockDelta(msgspec.Struct):
    text: Any = None
    thinking: Any = None
    partial_json: Any = None


class _MessagesText(msgspec.Struct):
    delta: _BlockDelta | None = None
    content_block: _BlockDelta | None = None


def _len(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _chat_chars(chunk: _ChatText) -> int:
    chars = 0
    for choice in chunk.choices or ():
        delta = choice.delta
        if delta is None:
            continue
        chars += _len(delta.content) + _len(delta.refusal)
        chars += _len(delta.reasoning_content) or _len(delta.reasoning)
        if delta.function_call is not None:
            chars += _len(delta.function_call.arguments)
        for call in delta.tool_calls or ():
            chars += 0 if call.function is None else _len(call.function.arguments)
    return chars


def _responses_chars(event: _ResponsesText) -> int:
    # The delta of sound is base64, not text.
    kind = event.type or ""
    if not kind.endswith(".delta") or kind == "response.audio.delta":
        return 0
    return _len(event.delta)


def _messages_chars(event: _MessagesText) -> int:
    part = event.delta or event.content_block
    if part is None:
        return 0
    return _len(part.text) + _len(part.thinking) + _len(part.partial_json)


_CHAT = msgspec.json.Decoder(_ChatText)
_RESPONSES = msgspec.json.Decoder(_ResponsesText)
_MESSAGES = msgspec.json.Decoder(_MessagesText)


def chat_text() -> TextCounter[Any]:
    """Return a counter for chat completion chunks."""
    return TextCounter(_CHAT, _chat_chars)


def responses_text() -> TextCounter[Any]:
    """Return a counter for responses events."""
    return TextCounter(_RESPONSES, _responses_chars)


def messages_text() -> TextCounter[Any]:
    """Return a counter for messages events."""
    return TextCounter(_MESSAGES, _messages_chars)
