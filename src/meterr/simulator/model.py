"""The simulator's frozen types: what was asked, what is answered, and one piece of an answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = Any
"""A decoded JSON value of the caller's making: never trusted to have a shape."""


class Dialect(StrEnum):
    """Whose wire format a route speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Refused(Exception):
    """The provider refuses the request; rendered in its dialect with ``status``."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


class Finish(StrEnum):
    """Why an answer ended; each surface has its own word for it."""

    STOP = "stop"
    LENGTH = "length"
    TOOL = "tool"
    STOP_SEQUENCE = "stop_sequence"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers, with the JSON schema of its arguments."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the simulated model makes; ``arguments`` is text, as on the wire, maybe broken."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request in neutral terms: only what the answer depends on."""

    model: str
    input_tokens: int
    question: str  # the text of the last user turn
    stream: bool = False
    n: int = 1
    output_tokens_max: int | None = None
    stops: tuple[str, ...] = ()
    demanded_tool: Tool | None = None  # the tool that tool_choice insists on
    schema: Json = None  # of a structured answer; None for plain text
    include_usage: bool = False  # chat only: the caller asked for the usage chunk


@dataclass(frozen=True, slots=True)
class Answer:
    """What the simulated model says, before any dialect. Token counts follow ``tokens.count``."""

    id: str  # letters and digits; surfaces put their own prefix before it
    created: int  # seconds since 1970-01-01 UTC
    model: str
    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish: Finish
    stop_sequence: str | None
    input_tokens: int
    output_tokens: int  # of all ``n`` choices, reasoning included
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are sent at once, and the usage object they carry, if any."""

    data: bytes
    usage: Json = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A body that is sent as one JSON document."""

    body: Json
    usage: Json = None
