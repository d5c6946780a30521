"""
Server-sent events as bytes: where an event ends, and what it carries.

Follows the WHATWG event stream format: lines end in CR LF, LF or CR, a blank line ends an event,
one byte order mark may stand at the very start. Whatever is taken apart here can be put together
again byte for byte.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable

# One event holds at most a whole answer; pictures in base64 make the largest of them.
EVENT_BYTES_MAX = 16 * 1024 * 1024

BOM = b"\xef\xbb\xbf"

_LINE_END = rb"(?:\r\n|\n|\r(?!\n))"
_BLANK_LINE = re.compile(_LINE_END + _LINE_END)
_LINE = re.compile(rb"[^\r\n]+")
_BLANK_LINE_BYTES_MAX = 4

Span = tuple[int, int]
"""Where a piece of a run begins and ends."""


class Splitter:
    """
    Cut a byte stream, arriving in chunks of any size, at the ends of events.

    Holds back what is not a whole event yet, at most ``EVENT_BYTES_MAX`` bytes and one chunk;
    beyond that ``overflowed`` is True for good, and the caller should ``drain`` and stop splitting.
    """

    __slots__ = ("_held", "_held_bytes", "_last", "overflowed")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._last = b""  # the end of what is held, where a blank line may have begun
        self.overflowed = False

    def feed(self, chunk: bytes) -> bytes:
        """Return all that is now known to be whole events, b"" when nothing is."""
        if not self._held and chunk.endswith(b"\n\n"):
            return chunk
        window = self._last + chunk
        end = _last_end(window)
        if end == 0:
            self._hold(chunk, window)
            return b""
        cut = len(chunk) - (len(window) - end)
        # The end lies before this chunk only when a CR held back turned out to stand alone.
        whole = b"".join(self._held) + chunk
        at = len(whole) - len(chunk) + cut
        self._held.clear()
        self._held_bytes = 0
        self._last = b""
        if at < len(whole):
            rest = whole[at:]
            self._hold(rest, rest)
        return whole[:at]

    @property
    def holding(self) -> bool:
        """Whether part of an event is held back."""
        return bool(self._held)

    def drain(self) -> bytes:
        """Return what is held back and forget it: the stream has ended, or overflowed."""
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._last = b""
        return held

    def _hold(self, chunk: bytes, window: bytes) -> None:
        self._held.append(chunk)
        self._held_bytes += len(chunk)
        self._last = window[-_BLANK_LINE_BYTES_MAX:]
        self.overflowed = self.overflowed or self._held_bytes > EVENT_BYTES_MAX


def _last_end(window: bytes) -> int:
    """Return the position after the last blank line; 0 when there is none."""
    if b"\r" not in window:
        return window.rfind(b"\n\n") + 2 if b"\n\n" in window else 0
    # Whether a CR at the very end stands alone is decided by the byte that follows.
    sure = len(window) - window.endswith(b"\r")
    end = 0
    for found in _BLANK_LINE.finditer(window, 0, sure):
        end = found.end()
    return end


def events(run: bytes) -> list[bytes]:
    """
    Split ``run`` into pieces of one event each; joined they are ``run`` again.

    Line ends before an event's first line belong to its piece (see ``lead``). A last piece without
    a blank line is what a stream left unfinished.
    """
    if b"\r" not in run:
        pieces = [piece + b"\n\n" for piece in run.split(b"\n\n")]
        unfinished = pieces.pop()[:-2]
        return [*pieces, unfinished] if unfinished else pieces
    pieces = []
    start = 0
    for found in _BLANK_LINE.finditer(run):
        pieces.append(run[start : found.end()])
        start = found.end()
    if start < len(run):
        pieces.append(run[start:])
    return pieces


def spans_at(run: bytes, marks: Iterable[int]) -> list[Span]:
    """
    Return the events of ``run`` that hold a position of ``marks``, in order, each once.

    Line ends in front of an event may be left out. Without a CR in ``run``, finding a few events so
    is much cheaper than taking all of them apart.
    """
    if b"\r" in run:
        return _spans_among(run, marks)
    found: list[Span] = []
    end = 0
    for mark in sorted(marks):
        if mark < end:
            continue
        start = run.rfind(b"\n\n", end, mark)
        start = end if start < 0 else start + 2
        end = run.find(b"\n\n", mark)
        end = len(run) if end < 0 else end + 2
        found.append((start, end))
    return found


def _spans_among(run: bytes, marks: Iterable[int]) -> list[Span]:
    bounds = [0, *(found.end() for found in _BLANK_LINE.finditer(run)), len(run)]
    hit = sorted({bisect_right(bounds, mark) for mark in marks})
    return [(bounds[at - 1], bounds[at]) for at in hit]


def lead(event: bytes) -> bytes:
    """Return the line ends in front of ``event``: they end nothing and say nothing."""
    return event[: len(event) - len(event.lstrip(b"\r\n"))]


def data_of(event: bytes) -> bytes:
    """Return the data of one whole event, its lines joined by LF; b"" when it carries none."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n"):
        data = event[6:-2]
        if b"\n" not in data and b"\r" not in data:
            return data
    lines: list[bytes] = []
    for line in _LINE.findall(event):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
