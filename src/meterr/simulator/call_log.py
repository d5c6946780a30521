"""The witness: what the simulator received and how each call ended, on file before it answers."""

import os
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from meterr.simulator.model import Json

CALLS_KEPT = 200_000
"""Calls kept in memory for GET /_simulator/calls, about 1 kB each; the file keeps all."""

FORWARDED_HEADERS = (
    "accept",
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "connection",
    "content-type",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "transfer-encoding",
    "user-agent",
)
"""An allow-list: a header that may carry a secret is not on it."""


_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW


class Received(msgspec.Struct, frozen=True, tag="received", tag_field="event"):
    """Written before the first byte of the answer. ``credentials`` holds digests only."""

    sequence: int
    id: str
    at_unix_ms: int
    method: str
    path: str
    query_sha256: str  # of the query string as sent, "" without one
    headers: dict[str, str]  # those of FORWARDED_HEADERS that came; no other value is kept
    caller_id: str | None  # the caller's x-meterr-request-id
    body_sha256: str
    body_bytes: int
    model: str | None
    stream: bool
    credentials: dict[str, str]  # header name: first 12 hex digits of the SHA-256 of its secret


class Ended(msgspec.Struct, frozen=True):
    """Written after the last byte of the answer, or when there will be none."""

    event: str  # "answered", "cut" or "client_gone"
    sequence: int
    id: str
    at_unix_ms: int
    status: int | None  # None when no head was sent
    usage: Json  # the last usage object that was sent, as it was sent
    answer_sha256: str  # of the body bytes sent, before chunked framing
    answer_bytes: int
    events_sent: int  # pieces of the body sent, so SSE events when the answer was a stream


class CallLog:
    """
    An append-only file of one JSON line per event, and the calls merged in memory.

    Each line is one ``write`` on an ``O_APPEND`` descriptor, so a line is whole or absent whatever
    is killed. Survives ``kill -9`` of this process, not the loss of power. An existing file is
    continued, not read: ``sequence`` starts again at 1 in each process, ids never repeat.
    """

    def __init__(self, path: Path | None, *, calls_kept: int = CALLS_KEPT) -> None:
        self._file = None if path is None else os.open(path, _APPENDING, 0o600)
        self._calls: deque[dict[str, Any]] = deque(maxlen=calls_kept)
        self._sequence = 0
        self._closed = False

    @property
    def next_sequence(self) -> int:
        """The number of the next call: 1, 2, 3 and so on, without a gap for a failed write."""
        return self._sequence + 1

    def received(self, record: Received) -> None:
        """Record a call. Raises OSError when it is not on file; then nothing may be answered."""
        self._append(record)
        self._sequence = record.sequence
        call = msgspec.structs.asdict(record)
        self._calls.append({**call, "stage": "received", "usage": None})

    def ended(self, record: Ended) -> None:
        """Record the end of a call that was recorded as received."""
        self._append(record)
        call = self._kept(record.sequence)
        if call is not None:
            fields = msgspec.structs.asdict(record)
            call["ended_at_unix_ms"] = fields.pop("at_unix_ms")
            call["stage"] = fields.pop("event")
            call.update(fields)

    def calls(self, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Return at most ``limit`` calls whose sequence is above ``after``, oldest first."""
        if not self._calls:
            return []
        skipped = max(0, after - self._calls[0]["sequence"] + 1)
        return list(islice(self._calls, skipped, skipped + limit))

    def close(self) -> None:
        """Close the file; a second time is nothing."""
        if self._file is not None and not self._closed:
            os.close(self._file)
        self._closed = True

    def _append(self, record: msgspec.Struct) -> None:
        if self._file is None:
            return
        if self._closed:
            raise OSError("The call log is closed.")
        line = msgspec.json.encode(record) + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError("The call log took only a part of a line; is the disk full?")

    def _kept(self, sequence: int) -> dict[str, Any] | None:
        at = sequence - self._calls[0]["sequence"] if self._calls else -1
        return self._calls[at] if 0 <= at < len(self._calls) else None
