"""One answer as it is read: llhttp finds its parts, this judges them. No socket, no clock."""

from typing import Final

from httptools import HttpParserError, HttpResponseParser

from meterr.gateway.upstream import framing
from meterr.gateway.upstream.errors import Refusal, UpstreamProtocolError
from meterr.gateway.upstream.framing import Headers
from meterr.gateway.upstream.limits import (
    CHUNK_ALLOWANCE,
    CHUNK_EXCESS_MAX,
    HEAD_BYTES_MAX,
    INTERIM_ANSWERS_MAX,
)

# Plain integers, not an enum: compared in every read.
HEAD: Final = 0  # the head is not complete
BODY: Final = 1  # the head is complete, the body is not
ENDED: Final = 2

_START: Final = b"HTTP/1.1 "
_VERSIONS: Final = ("1.1", "1.0")
_CR: Final = 13


class _Stop(Exception):
    """Raised into the parser to stop it where an answer ends, or after."""


class Reception:
    """
    Reads the answers of one connection, one after the other; every leniency of llhttp is off.

    ``begin`` before each request, ``feed`` for each read, then look at ``stage``. ``headers`` and
    ``status`` are set from BODY on; ``fields`` holds the trailers and ``reusable`` its verdict at
    ENDED. Header names are lower-cased. What came of the body gathers until ``take``.
    """

    __slots__ = (
        "_bodiless",
        "_excess",
        "_framing",
        "_head_bytes",
        "_interim",
        "_is_1_1",
        "_parser",
        "_parts",
        "_refusal",
        "fields",
        "headers",
        "on_body",
        "reusable",
        "stage",
        "status",
    )

    headers: Headers
    status: int
    _framing: int
    _is_1_1: bool

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        # The parser's callback for a part of the body. A stream has one for each event, so the
        # parser calls the list itself, always this one.
        self.on_body = self._parts.append
        self._parser = HttpResponseParser(self)
        self._refusal: UpstreamProtocolError | None = None
        self.begin(bodiless=False)

    def begin(self, *, bodiless: bool) -> None:
        """Expect an answer; ``bodiless``: to HEAD, without a body whatever its head says."""
        self.stage = HEAD
        self._bodiless = bodiless
        self._head_bytes = self._interim = self._excess = 0
        self.fields: Headers = []
        self._parts.clear()
        self.reusable = False

    def feed(self, data: bytes) -> int:
        """
        Take one read, not empty; return the stage now.

        UpstreamProtocolError: the connection must be closed.
        """
        stage_before = self.stage
        if stage_before == HEAD:
            self._count_head(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as fault:
            if self.stage != ENDED:
                refusal = self._refusal or UpstreamProtocolError(Refusal.MALFORMED, str(fault))
                raise refusal from None
            self.reusable = False  # bytes after the end: the answer stands, the connection does not
        stage = self.stage
        if stage == BODY:
            if stage_before == BODY and self._framing == framing.CHUNKED:
                self._count_excess(data)
        elif stage == ENDED:
            self._judge_end(data, stage_before)
        elif self._head_bytes > HEAD_BYTES_MAX:
            raise _head_too_long()
        return stage

    def take(self) -> bytes:
        """Return what came of the body since the last time."""
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return body

    @property
    def ends_with_connection(self) -> bool:
        """Tell whether the end of the connection is this body's proper end."""
        return self.stage == BODY and self._framing == framing.UNTIL_CLOSE

    # --- the parser's callbacks ---

    def on_message_begin(self) -> None:
        if self.stage == ENDED:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        try:
            self._judge_head(self.fields)
        except UpstreamProtocolError as refusal:
            self._refusal = refusal
            raise

    def on_message_complete(self) -> None:
        if self.stage == BODY:
            self.stage = ENDED
            self.reusable = self._parser.should_keep_alive()

    # --- judgements ---

    def _judge_head(self, headers: Headers) -> None:
        status = self._parser.get_status_code()
        if self._head_bytes > HEAD_BYTES_MAX and sum(map(_size, headers)) > HEAD_BYTES_MAX:
            raise _head_too_long()
        if not self._is_1_1 and self._parser.get_http_version() not in _VERSIONS:
            raise UpstreamProtocolError(Refusal.VERSION, "its version is neither 1.1 nor 1.0.")
        if status < 200 and framing.is_interim(status, headers):
            self._skip_interim()
            return
        self._framing = framing.framing_of(status, headers)
        self.status = status
        self.headers = headers
        self.fields = []  # what comes now are trailers
        self.stage = BODY
        if self._bodiless:
            self.stage = ENDED
            raise _Stop  # llhttp would go on to read the body that the head announces

    def _skip_interim(self) -> None:
        self._interim += 1
        if self._interim > INTERIM_ANSWERS_MAX:
            message = f"more than {INTERIM_ANSWERS_MAX} interim answers."
            raise UpstreamProtocolError(Refusal.INTERIM, message)
        self.fields = []
        self._is_1_1 = False  # known of this head only; the next one is asked

    def _count_head(self, data: bytes) -> None:
        """Look at the first byte: llhttp would also take RTSP, ICE and empty lines in front."""
        if not self._head_bytes:
            self._is_1_1 = data.startswith(_START)
            if not self._is_1_1 and not data.startswith(b"H"):
                raise UpstreamProtocolError(Refusal.MALFORMED, "it does not begin with HTTP/1.")
        self._head_bytes += len(data)

    def _judge_end(self, data: bytes, stage_before: int) -> None:
        if self.fields:
            framing.check_trailers(self.fields)
        if data[-1] <= _CR:  # perhaps a stray line end; most bodies end in something else
            self.reusable = self.reusable and self._ended_exactly(data, stage_before)

    def _ended_exactly(self, data: bytes, stage_before: int) -> bool:
        if stage_before == BODY:
            head_bytes = 0
        elif self._head_bytes == len(data) and not self._interim:
            head_bytes = data.find(b"\r\n\r\n") + 4
        else:
            head_bytes = framing.UNKNOWN
        return framing.ends_exactly(self._framing, data, head_bytes, sum(map(len, self._parts)))

    def _count_excess(self, data: bytes) -> None:
        """Refuse a chunked body that is mostly framing: extensions, trailers, endless sizes."""
        parts = self._parts
        # The usual read of a stream is one chunk: then there is nothing to count.
        if not self._excess and parts and len(data) - len(parts[0]) <= CHUNK_ALLOWANCE:
            return
        free = sum(map(len, parts)) + CHUNK_ALLOWANCE * len(parts)
        self._excess = max(0, self._excess + len(data) - free)
        if self._excess > CHUNK_EXCESS_MAX:
            raise UpstreamProtocolError(Refusal.CHUNK_EXCESS, "its chunks are mostly framing.")


def _head_too_long() -> UpstreamProtocolError:
    message = f"its head is longer than {HEAD_BYTES_MAX} bytes."
    return UpstreamProtocolError(Refusal.HEAD_SIZE, message)


def _size(header: tuple[bytes, bytes]) -> int:
    name, value = header
    return len(name) + len(value) + 4  # ": " and the line end
