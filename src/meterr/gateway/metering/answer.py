"""Reading a whole (not streamed) answer body."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from meterr.gateway.metering import anthropic, openai
from meterr.gateway.metering.reading import Reading, decode
from meterr.ledger.model import Usage

_OPENAI = msgspec.json.Decoder(openai.OpenAIAnswer)
_ANTHROPIC = msgspec.json.Decoder(anthropic.AnthropicMessage)
_FREE = Reading(Usage(), problem="")

# Real servers send one; each more costs a copy of the rest, so a body of a million is an attack.
_MEMBERS_MAX = 16

_WBITS_GZIP = zlib.MAX_WBITS | 16
_WBITS_RAW = -zlib.MAX_WBITS


def read_answer(surface: str, body: bytes) -> Reading:
    """
    Return what ``body``, an answer of ``surface`` without content encoding, says about usage.

    Whatever the bytes are, this returns; what cannot be known is None with a problem code. Counting
    tokens is free at the provider, so "anthropic.count_tokens" reads as zero whatever the answer.
    Raises KeyError for a surface that does not exist.
    """
    return _READERS[surface](body)


def decoded(body: bytes, encoding: str, limit: int) -> bytes | None:
    """
    Undo the content encoding of a whole ``body``; at most ``limit`` bytes come out.

    None when the encoding is not identity, gzip or deflate, when the body is damaged or cut, and
    when it would grow beyond ``limit``. Never allocates much more than ``limit``.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body if len(body) <= limit else None
        case "gzip" | "x-gzip":
            return _inflate(body, _WBITS_GZIP, limit)
        case "deflate":
            # The standard says zlib; some servers send the bare stream inside it.
            whole = _inflate(body, zlib.MAX_WBITS, limit)
            return _inflate(body, _WBITS_RAW, limit) if whole is None else whole
        case _:
            return None


def _inflate(body: bytes, wbits: int, limit: int) -> bytes | None:
    """Inflate every member of ``body`` (gzip may have several)."""
    members: list[bytes] = []
    room = limit
    while body:
        inflater = zlib.decompressobj(wbits)
        try:
            member = inflater.decompress(body, room + 1)
        except zlib.error:
            return None
        room -= len(member)
        if room < 0 or not inflater.eof or len(members) == _MEMBERS_MAX:
            return None
        members.append(member)
        body = inflater.unused_data
    return b"".join(members) if members else None


def _openai(body: bytes) -> Reading:
    answer, problem = decode(_OPENAI, body)
    return Reading(problem=problem) if answer is None else openai.reading_of(answer, problem)


def _embedding(body: bytes) -> Reading:
    answer, problem = decode(_OPENAI, body)
    if answer is None:
        return Reading(problem=problem)
    return openai.reading_of(answer, problem, embedding=True)


def _anthropic(body: bytes) -> Reading:
    message, problem = decode(_ANTHROPIC, body)
    return Reading(problem=problem) if message is None else anthropic.reading_of(message, problem)


def _free(_body: bytes) -> Reading:
    return _FREE


_READERS: Mapping[str, Callable[[bytes], Reading]] = MappingProxyType(
    {
        "openai.chat": _openai,
        "openai.embeddings": _embedding,
        "openai.responses": _openai,
        "anthropic.messages": _anthropic,
        "anthropic.count_tokens": _free,
    }
)
