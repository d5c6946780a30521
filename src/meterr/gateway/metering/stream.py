"""The meter that a streamed answer runs through on its way to the client."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from meterr.gateway.metering import sse
from meterr.gateway.metering.readers import (
    ChatReader,
    MessagesReader,
    Reader,
    ResponsesReader,
    tells_usage,
)
from meterr.gateway.metering.reading import UNREADABLE, Reading

# Chunks are looked at in batches of this size: one pass over many events costs little more than
# over one. Each chunk counts with its overhead, so a drip of single bytes fills no memory either.
BATCH_BYTES = 32 * 1024
_CHUNK_OVERHEAD_BYTES = 64

_READERS: Mapping[str, Callable[[], Reader]] = MappingProxyType(
    {
        "openai.chat": ChatReader,
        "openai.responses": ResponsesReader,
        "anthropic.messages": MessagesReader,
    }
)


class StreamMeter:
    """
    Relay the bytes of one stream and learn its usage.

    Everything fed comes out again, in order and untouched. The one exception: with
    ``strip_usage_chunk`` (chat only) the chunk that exists because we asked for usage on the
    client's behalf (no choices, but usage) is left out, and bytes are relayed in whole events.
    Nothing here depends on where chunks begin and end, and no bytes make it raise.
    """

    __slots__ = (
        "_batch",
        "_batch_bytes",
        "_fresh",
        "_holding",
        "_overflowed",
        "_reader",
        "_splitter",
        "_strip",
    )

    def __init__(self, surface: str, *, strip_usage_chunk: bool = False) -> None:
        """Raise KeyError when ``surface`` does not stream."""
        self._reader = _READERS[surface]()
        self._strip = strip_usage_chunk and surface == "openai.chat"
        self._splitter = sse.Splitter()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._holding = False  # the splitter holds part of an event, or has overflowed
        self._fresh = True  # no event yet, so a byte order mark may come
        self._overflowed = False

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk from the provider; return what the client gets now (b"" is possible)."""
        if self._strip:
            if self._holding or not chunk.endswith(b"\n\n"):
                return self._sift(chunk)
            if tells_usage(chunk):
                return self._without_usage(chunk)
        self._batch.append(chunk)
        self._batch_bytes += len(chunk) + _CHUNK_OVERHEAD_BYTES
        if self._batch_bytes > BATCH_BYTES:
            self._catch_up()
        return chunk

    def finish(self) -> bytes:
        """
        Return what is still held back: the stream has ended or was cut.

        An event without its blank line is relayed as it is, but read if it is whole by itself: some
        servers end that way. Call once.
        """
        self._catch_up()
        tail = self._splitter.drain()
        if tail and not self._overflowed:
            self._look(self._unmarked(tail), whole=False)
        return tail if self._strip else b""

    @property
    def reading(self) -> Reading:
        """The latest that the provider said."""
        self._catch_up()
        return self._reader.reading

    @property
    def complete(self) -> bool:
        """Whether the event that ends a whole stream was seen; a cut stream has none."""
        self._catch_up()
        return self._reader.complete

    @property
    def usage_is_final(self) -> bool:
        """Whether the usage of the whole answer was told, even if the stream's end never came."""
        self._catch_up()
        return self._reader.usage_is_final

    @property
    def error_seen(self) -> bool:
        """Whether the provider reported a failure inside the stream."""
        self._catch_up()
        return self._reader.error_seen

    @property
    def answer_chars(self) -> int:
        """Characters of answer text, tool arguments and thinking so far. Asking costs a decode."""
        self._catch_up()
        return self._reader.text.count()

    def _catch_up(self) -> None:
        if not self._batch:
            return
        run = b"".join(self._batch)
        self._batch.clear()
        self._batch_bytes = 0
        if not self._strip and not self._overflowed:
            run = self._splitter.feed(run)
        if run and not self._overflowed:
            self._look(self._unmarked(run))
        if self._splitter.overflowed:
            self._give_up()

    def _look(self, run: bytes, *, whole: bool = True) -> list[sse.Span]:
        """Read the events that may matter; return those that exist only because we asked."""
        reader = self._reader
        reader.text.keep(run)
        marks = reader.marks(run)
        if not marks:
            return []
        spans = sse.spans_at(run, marks)
        return [(start, end) for start, end in spans if reader.read(run[start:end], whole=whole)]

    def _sift(self, chunk: bytes) -> bytes:
        """Do what ``feed`` does for chunks that are not plainly whole events."""
        if self._overflowed:
            return chunk
        run = self._splitter.feed(chunk)
        self._holding = self._splitter.holding
        if tells_usage(run):
            run = self._without_usage(run)
        elif run:
            self._batch.append(run)
            self._batch_bytes += len(run) + _CHUNK_OVERHEAD_BYTES
        if self._splitter.overflowed:
            self._catch_up()
            self._give_up()
            run += self._splitter.drain()
        return run

    def _without_usage(self, run: bytes) -> bytes:
        self._catch_up()
        seen = self._unmarked(run)
        kept = [run[: len(run) - len(seen)]]
        at = 0
        for start, end in self._look(seen):
            kept += (seen[at:start], sse.lead(seen[start:end]))
            at = end
        kept.append(seen[at:])
        return b"".join(kept)

    def _unmarked(self, run: bytes) -> bytes:
        if not self._fresh:
            return run
        self._fresh = False
        return run.removeprefix(sse.BOM)

    def _give_up(self) -> None:
        self._overflowed = True
        self._reader.reading = msgspec.structs.replace(
            self._reader.reading, usage=None, problem=UNREADABLE
        )
