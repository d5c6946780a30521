"""How an answer leaves, as steered: whole or in pieces, late, stalled, cut or broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from meterr.simulator.exchange import End, Exchange
from meterr.simulator.model import Piece, Whole
from meterr.simulator.script import CHUNKS
from meterr.simulator.steering import Malformed, Steering

_HTML = b"<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body>502</body></html>\n"
_BROKEN_JSON = b'{"id":"broken","choices":[{"index":0,'
_GARBAGE = b"garbage: \xff\xfe\n: \x00\ndata\nevent: \ndata: not json {{{\n\n"


@dataclass(frozen=True, slots=True)
class Parcel:
    """An answer ready to leave. ``announced`` is its Content-Length, None for a chunked stream."""

    content_type: str
    pieces: tuple[Piece, ...]
    announced: int | None
    torn: bool = False  # the connection breaks after the last piece


def pack_whole(whole: Whole, steering: Steering) -> Parcel:
    """Pack one JSON document, broken as steered."""
    data = msgspec.json.encode(whole.body)
    match steering.malformed:
        case Malformed.HTML:
            return _html()
        case Malformed.SSE:
            return Parcel("text/event-stream; charset=utf-8", (Piece(_GARBAGE),), None)
        case Malformed.JSON:
            return Parcel("application/json", (Piece(_BROKEN_JSON),), len(_BROKEN_JSON))
        case Malformed.TRUNCATED:
            return Parcel(
                "application/json", (Piece(data[: len(data) // 2]),), len(data), torn=True
            )
        case None:
            return Parcel("application/json", _parts(data, whole, steering), len(data))


def _parts(data: bytes, whole: Whole, steering: Steering) -> tuple[Piece, ...]:
    """Cut a document when its pace or end is steered; its last part carries the usage."""
    paced = (
        steering.chunk_delay_ms
        or steering.cut_after is not None
        or steering.stall_after is not None
    )
    parts = min(len(data), steering.chunks or CHUNKS) if paced else 1
    edges = [len(data) * i // parts for i in range(parts + 1)]
    pieces = [Piece(data[start:end]) for start, end in pairwise(edges)]
    return (*pieces[:-1], Piece(pieces[-1].data, whole.usage))


def pack_events(events: Iterator[Piece], error: Piece, steering: Steering) -> Parcel:
    """Pack a stream, broken as steered; ``error`` is the event that ``error_after`` sends."""
    kind = "text/event-stream; charset=utf-8"
    pieces = tuple(events)
    middle = len(pieces) // 2
    match steering.malformed:
        case Malformed.HTML:
            return _html()
        case Malformed.JSON:
            broken = Piece(b"data: " + _BROKEN_JSON + b"\n\n")
            return Parcel(kind, (*pieces[:middle], broken, *pieces[middle + 1 :]), None)
        case Malformed.SSE:
            return Parcel(kind, (*pieces[:middle], Piece(_GARBAGE), *pieces[middle:]), None)
        case Malformed.TRUNCATED:
            half = pieces[middle].data
            return Parcel(kind, (*pieces[:middle], Piece(half[: len(half) // 2])), None, torn=True)
        case None:
            if steering.error_after is not None:
                pieces = (*pieces[: steering.error_after], error)
            return Parcel(kind, pieces, None)


def _html() -> Parcel:
    return Parcel("text/html; charset=utf-8", (Piece(_HTML),), len(_HTML))


async def deliver(
    exchange: Exchange,
    parcel: Parcel,
    steering: Steering,
    *,
    status: int,
    headers: dict[str, str],
    gzipped: bool,
) -> End:
    """
    Send ``parcel`` and say how it ended.

    ``End.CUT`` means that the body was left open: the caller must return so that the server breaks
    the connection. Raises ClientGone when the client left first.
    """
    head = {"content-type": parcel.content_type, **headers}
    if gzipped:
        head["content-encoding"] = "gzip"
    elif parcel.announced is not None:
        head["content-length"] = str(parcel.announced)
    # Header names are compared without case, and a steered one replaces ours.
    steered = {name.lower(): value for name, value in steering.headers.items()}
    await exchange.start(status, {**head, **steered}, gzipped=gzipped)
    return await _send_all(exchange, parcel, steering)


async def _send_all(exchange: Exchange, parcel: Parcel, steering: Steering) -> End:
    final = len(parcel.pieces) - 1
    if final > 0:
        exchange.notice_departure()
    for index, piece in enumerate(parcel.pieces):
        if index == steering.cut_after:
            return End.CUT
        if index == steering.stall_after:
            await exchange.until_client_leaves()
        if index:
            await exchange.pause(steering.chunk_delay_ms)
        ends_here = index == final and not parcel.torn
        open_end = steering.cut_after == index + 1 or steering.stall_after == index + 1
        await exchange.send(piece, last=ends_here and not open_end)
    if steering.stall_after == len(parcel.pieces):
        await exchange.until_client_leaves()
    return End.CUT if parcel.torn or steering.cut_after == len(parcel.pieces) else End.ANSWERED
