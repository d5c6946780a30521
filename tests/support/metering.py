"""The golden corpus: what providers really send, and what it means."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from meterr.gateway import metering
from meterr.ledger.model import Usage

_CORPUS = Path(__file__).parents[1] / "gateway" / "corpus"


@dataclass(frozen=True)
class Golden:
    """One fixture: the bytes of an answer and everything that must be read from them."""

    name: str
    surface: str
    stream: bool
    raw: bytes
    reading: metering.Reading
    complete: bool
    error_seen: bool
    answer_chars: int
    stripped: bytes  # what a client that did not ask for usage gets


@dataclass(frozen=True)
class Metered:
    """All that a stream meter tells."""

    relayed: bytes
    reading: metering.Reading
    complete: bool
    error_seen: bool
    answer_chars: int


def corpus(*, stream: bool) -> list[Golden]:
    """Return the fixtures, streamed or whole."""
    found = [_golden(path) for path in sorted(_CORPUS.glob("*.json"))]
    return [each for each in found if each.stream is stream]


def metered(
    surface: str, chunks: list[bytes], *, strip: bool = False, finish: bool = True
) -> Metered:
    """Send ``chunks`` through a new meter."""
    meter = metering.StreamMeter(surface, strip_usage_chunk=strip)
    relayed = b"".join(map(meter.feed, chunks))
    if finish:
        relayed += meter.finish()
    return Metered(relayed, meter.reading, meter.complete, meter.error_seen, meter.answer_chars)


def cut_at(raw: bytes, places: list[int]) -> list[bytes]:
    """Cut ``raw`` at ``places`` (any order, any repetition)."""
    edges = [0, *sorted(min(each, len(raw)) for each in places), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges)]


def event(payload: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def _golden(path: Path) -> Golden:
    told = json.loads(path.read_bytes())
    raw = told["raw"].encode()
    usage = None if told["usage"] is None else Usage(**told["usage"])
    return Golden(
        path.stem,
        told["surface"],
        told["stream"],
        raw,
        metering.Reading(usage, told["model"], told["tier"], told["problem"], told["answer_id"]),
        told.get("complete", False),
        told.get("error_seen", False),
        told.get("answer_chars", 0),
        told.get("stripped", told["raw"]).encode(),
    )
