"""One record, one text line: eight hex digits of CRC-32, a space, the JSON, a newline. Pure."""

from zlib import crc32

import msgspec

from meterr.ledger.model import Opened, PriceDefined, Progress, Settled

FORMAT_VERSION = 1
_PREFIX_BYTES = 9  # the checksum and the space
_INTEGER_MAX = (1 << 63) - 1


class SegmentBegan(msgspec.Struct, tag="segment", tag_field="kind"):
    """First line of every segment: what tells a journal from a stranger's file."""

    version: int
    process: str  # name of the process folder
    number: int


class Rejected(msgspec.Struct, tag="rejected", tag_field="kind"):
    """A record that PostgreSQL refused, set aside with its words; never in a live segment."""

    reason: str
    record: Settled | PriceDefined


Line = Opened | Progress | Settled | PriceDefined | SegmentBegan | Rejected

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class Unreadable(ValueError):
    """A line is not what was written; the message says which of its parts is wrong."""


def frame(record: Line) -> bytes:
    """
    Return ``record`` as one line.

    JSON escapes control characters, so the line holds neither NUL nor a newline before its end.

    Raises:
        UnicodeEncodeError: A text holds a lone surrogate.
        OverflowError: A count needs more than 64 bits.
    """
    body = _encode(record)
    return b"%08x %b\n" % (crc32(body), body)


def parse(line: bytes) -> Line:
    """
    Return the record of ``line`` (without its newline).

    The checksum is compared as text: of two spellings of one number only ours is right, so every
    flipped bit is noticed.

    Raises:
        Unreadable: Checksum or content is not what ``frame`` writes.
    """
    body = line[_PREFIX_BYTES:]
    if line[:_PREFIX_BYTES] != b"%08x " % crc32(body):
        raise Unreadable("checksum differs")
    try:
        record: Line = _decode(body)
    except msgspec.ValidationError as error:
        raise Unreadable(f"unknown content: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    return record


def fitted(record: Settled, chars_kept: int) -> Settled:
    """
    Return ``record`` in a form that every journal can hold, whatever a provider put into it.

    Identity (ids, tenant, key, surface, upstream, price) and money stay as they are. Free text
    keeps its first ``chars_kept`` characters, lone surrogates become question marks, and a count
    outside 0..2**63-1 becomes the nearest bound.
    """
    usage = record.usage
    if usage is not None:
        counts = {name: bounded(getattr(usage, name)) for name in usage.__struct_fields__}
        usage = msgspec.structs.replace(usage, **counts)
    return msgspec.structs.replace(
        record,
        usage=usage,
        model=_clean(record.model),
        answered_model=_clean(record.answered_model)[:chars_kept],
        outcome=_clean(record.outcome)[:chars_kept],
        error=_clean(record.error)[:chars_kept],
        estimate=_clean(record.estimate)[:chars_kept],
        provider_request_id=_clean(record.provider_request_id)[:chars_kept],
        request_bytes=bounded(record.request_bytes),
        answer_bytes=bounded(record.answer_bytes),
    )


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def bounded(count: int) -> int:
    """Return the nearest count that PostgreSQL's bigint holds, from 0 on."""
    return min(max(count, 0), _INTEGER_MAX)
