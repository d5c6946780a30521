"""Steering: what a request may ask of the simulator, in ``metadata.simulate`` or ``simulate``."""

import difflib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from meterr.simulator.model import Refused

_DELAY_MS_MAX = 600_000
_CHUNKS_MAX = 100_000
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})

Milliseconds = Annotated[int, Meta(ge=0, le=_DELAY_MS_MAX)]
Count = Annotated[int, Meta(ge=0, le=_CHUNKS_MAX)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e\t]*$")]


class UsagePlace(StrEnum):
    """Where a stream carries its usage; see docs/reference/simulator.md for each surface."""

    TOP = "top"
    CHOICE = "choice"
    BOTH = "both"
    NONE = "none"


class Malformed(StrEnum):
    """Ways to break an answer."""

    JSON = "json"
    HTML = "html"
    SSE = "sse"
    TRUNCATED = "truncated"


class SteeredCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call to make. A string of arguments is sent as it is, valid JSON or not."""

    name: str
    arguments: dict[str, object] | str = {}


class Steering(Struct, frozen=True):
    """
    Everything a request may steer; every field may be left out.

    ``usage`` is kept as the caller's own JSON text, so that numbers no decoder would accept arrive
    at the gateway unharmed; ``null`` leaves the usage out of the answer.
    """

    usage: Raw | msgspec.UnsetType = msgspec.UNSET
    usage_place: UsagePlace | None = None
    text: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[SteeredCall, ...] = ()
    finish_reason: str | None = None
    model: str | None = None
    tier: str | None = None
    chunks: Annotated[int, Meta(ge=1, le=_CHUNKS_MAX)] | None = None
    delay_ms: Milliseconds = 0
    chunk_delay_ms: Milliseconds = 0
    cut_after: Count | None = None
    stall_after: Count | None = None
    error_after: Count | None = None
    never_answer: bool = False
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    error_type: str | None = None
    headers: dict[HeaderName, HeaderValue] = {}
    malformed: Malformed | None = None
    gzip: bool = False


UNSTEERED = Steering()
FIELDS = frozenset(Steering.__struct_fields__)


def parse(text: Raw) -> Steering:
    """
    Read steering from its JSON text: an object, or a string that holds one.

    Raises:
        Refused: 400, with the field, and the nearest valid name of an unknown one.
    """
    try:
        fields = msgspec.json.decode(_unquoted(text), type=dict[str, Raw])
        for name in fields:
            _require_known(name)
        steering = msgspec.json.decode(msgspec.json.encode(fields), type=Steering)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"simulate: {error}", param="simulate") from None
    _require_sendable(steering)
    return steering


def _unquoted(text: Raw) -> bytes:
    if bytes(text).startswith(b'"'):
        inner = msgspec.json.decode(text, type=str).encode()
    else:
        inner = bytes(text)
    # On one line, since what comes out of it goes into SSE events and into the log.
    return msgspec.json.format(inner, indent=-1)


def _require_known(name: str) -> None:
    if name in FIELDS:
        return
    close = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0)
    raise Refused(
        400,
        f"simulate: unknown field {name!r} (did you mean {close[0]!r}?)",
        param=f"simulate.{name}",
    )


def _require_sendable(steering: Steering) -> None:
    if steering.status in {204, 304}:
        raise Refused(
            400,
            f"simulate.status: an answer {steering.status} has no body",
            param="simulate.status",
        )
    for name in steering.headers:
        if name.lower() in _FRAMING_HEADERS:
            raise Refused(
                400,
                f"simulate.headers: {name} belongs to the framing; see simulate.malformed",
                param="simulate.headers",
            )


def usage_of(steering: Steering, computed: Mapping[str, object]) -> object:
    """Return the usage to report: the steered text as it is, None for none, or ``computed``."""
    if isinstance(steering.usage, msgspec.UnsetType):
        return computed
    return None if bytes(steering.usage) == b"null" else steering.usage
