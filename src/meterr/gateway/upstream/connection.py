"""One kept-alive connection: an asyncio protocol that carries one exchange at a time."""

import asyncio
import select
from collections.abc import Callable
from typing import Final

from httptools import HttpParserError, HttpResponseParser

from meterr.gateway.upstream import framing
from meterr.gateway.upstream.answer import (
    Answer,
    AnswerWithTrailers,
    Headers,
    Inbox,
    StreamedAnswer,
)
from meterr.gateway.upstream.errors import (
    FirstByteTimeout,
    IdleTimeout,
    Refusal,
    SendStalled,
    UpstreamClosed,
    UpstreamError,
    UpstreamProtocolError,
)
from meterr.gateway.upstream.limits import (
    CHUNK_ALLOWANCE,
    CHUNK_EXCESS_MAX,
    HEAD_BYTES_MAX,
    INTERIM_ANSWERS_MAX,
    JOINED_WRITE_MAX,
    Patience,
)

# Plain integers, not an enum: compared in every read.
_IDLE: Final = 0  # nobody waits; any byte is an intrusion
_HEAD: Final = 1  # request written, head not complete
_BODY: Final = 2  # head complete
_ENDED: Final = 3  # body complete, the read that completed it not yet
_CLOSED: Final = 4

_VERSIONS: Final = ("1.1", "1.0")
_START: Final = b"HTTP/1.1 "


class Ticks:
    """The pool's coarse clock: ticks passed. Read in every exchange, so only an attribute."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0


class _ExtraBytes(Exception):
    """Raised into the parser to stop it where an answer ends, or after."""


class Connection(asyncio.Protocol):
    """
    Writes a request, reads its answer, and says when it is free again or gone.

    ``on_free`` is called the moment an answer has ended cleanly, before its caller wakes;
    ``on_gone`` once, when the connection can never be used again. Deadlines are counted in ticks
    and checked by ``look_at_deadlines``, so that an exchange arms no timer.
    """

    __slots__ = (
        "_bodiless",
        "_excess",
        "_framing",
        "_head_bytes",
        "_headers",
        "_inbox",
        "_interim",
        "_is_1_1",
        "_loop",
        "_on_free",
        "_on_gone",
        "_parser",
        "_parts",
        "_patience",
        "_phase",
        "_refusal",
        "_reusable",
        "_status",
        "_ticks",
        "_trailers",
        "_transport",
        "_unsent",
        "_uses",
        "_waiter",
        "stamp",
    )

    _transport: asyncio.Transport
    _parser: HttpResponseParser

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ticks: Ticks,
        patience: Patience,
        on_free: Callable[["Connection"], None],
        on_gone: Callable[["Connection"], None],
    ) -> None:
        self._loop = loop
        self._ticks = ticks
        self._patience = patience
        self._on_free = on_free
        self._on_gone = on_gone
        self._phase = _CLOSED
        self._waiter: asyncio.Future[Answer] | None = None
        self._inbox: Inbox | None = None
        self._refusal: UpstreamProtocolError | None = None
        self._uses = 0
        self.stamp = ticks.now  # the tick of the last progress; while idle, of the last use

    # --- the pool's side ---

    def start(self, head: bytes, body: bytes, *, bodiless: bool) -> "asyncio.Future[Answer]":
        """
        Write a request and return the future of its answer. Only for an idle connection.

        ``bodiless`` is True for HEAD, whose answer has no body whatever its head says.
        """
        self._phase = _HEAD
        self._uses += 1
        self.stamp = self._ticks.now
        self._bodiless = bodiless
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self._trailers: Headers | None = None
        self._head_bytes = self._interim = self._excess = self._unsent = 0
        self._reusable = False
        waiter = self._waiter = self._loop.create_future()
        if len(body) <= JOINED_WRITE_MAX:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return waiter

    def give_up(self, waiter: "asyncio.Future[Answer]") -> None:
        """Close the connection if it still works for ``waiter``, whose caller was cancelled."""
        if self._waiter is waiter:
            self._waiter = None
            self.close()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().abort()

    def is_usable(self) -> bool:
        """
        Tell whether a request may be written: idle, open, and no end of file waits unread.

        The kernel is asked after a pause, and before the second use of all, because some servers
        close after every answer without a word. Otherwise the loop itself has just looked.
        """
        if self._phase != _IDLE or self._transport.is_closing():
            return False
        if self._uses > 1 and self.stamp == self._ticks.now:
            return True
        return not self._has_input()

    def _has_input(self) -> bool:
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def look_at_deadlines(self) -> None:
        """Fail the exchange whose stage has stood still for too long. Called once a tick."""
        now = self._ticks.now
        if self._phase == _HEAD:
            unsent = self._transport.get_write_buffer_size()
            if unsent != self._unsent:
                self._unsent = unsent
                self.stamp = now
            elif now - self.stamp > (self._patience.write if unsent else self._patience.first_byte):
                self.close(SendStalled() if unsent else FirstByteTimeout())
        elif self._phase == _BODY and self._inbox is not None:
            if self._inbox.paused:
                self.stamp = now  # the reader is slow, not the upstream
            elif now - self.stamp > self._patience.idle:
                self.close(IdleTimeout())

    def close(self, error: UpstreamError | None = None) -> None:
        """Close at once; an exchange under way ends with ``error``. May be repeated."""
        if self._phase == _CLOSED:
            return
        self._end_with(
            error
            or UpstreamClosed("The connection was closed by us.", in_body=self._phase == _BODY)
        )
        self._transport.abort()

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport
        self._parser = HttpResponseParser(self)
        self._phase = _IDLE

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase == _HEAD:
            self._head_bytes += len(data)
            if self._head_bytes == len(data) and not self._begins_well(data):
                self._refuse(
                    UpstreamProtocolError(Refusal.MALFORMED, "it does not begin with HTTP/1.")
                )
                return
        elif phase == _BODY:
            self.stamp = self._ticks.now
        else:
            self.close()  # bytes nobody asked for must not become the next caller's answer
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as fault:
            if self._phase != _ENDED:
                self._refuse(self._refusal or UpstreamProtocolError(Refusal.MALFORMED, str(fault)))
                return
            self._reusable = (
                False  # extra bytes after the end: the answer stands, the connection does not
            )
        self._deliver(data, phase)

    def eof_received(self) -> None:
        if self._phase == _BODY and self._framing == framing.UNTIL_CLOSE:
            self._finish(reusable=False)
        elif self._phase == _IDLE:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._phase != _CLOSED:
            reason = "" if exc is None else f": {exc}"
            if self._phase == _BODY:
                self._end_with(
                    UpstreamClosed(f"The upstream cut its answer short{reason}.", in_body=True)
                )
            else:
                message = f"The upstream closed the connection instead of answering{reason}."
                self._end_with(UpstreamClosed(message, in_body=False))
        self._on_gone(self)

    # --- the parser's side ---

    def on_message_begin(self) -> None:
        if self._phase == _ENDED:
            raise _ExtraBytes

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase == _HEAD:
            self._headers.append((name.lower(), value))
        elif self._trailers is None:
            self._trailers = [(name.lower(), value)]
        else:
            self._trailers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        try:
            self._judge_head()
        except UpstreamProtocolError as refusal:
            self._refusal = refusal
            raise

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._phase == _BODY:
            self._phase = _ENDED
            self._reusable = self._parser.should_keep_alive()

    # --- between them ---

    def _begins_well(self, data: bytes) -> bool:
        """Look at the first read: llhttp would also take RTSP, ICE and empty lines in front."""
        self._is_1_1 = data.startswith(_START)
        return data.startswith(b"H")

    def _judge_head(self) -> None:
        status = self._status = self._parser.get_status_code()
        headers = self._headers
        if self._head_bytes > HEAD_BYTES_MAX and sum(map(_size, headers)) > HEAD_BYTES_MAX:
            raise UpstreamProtocolError(
                Refusal.HEAD_SIZE, f"its head is longer than {HEAD_BYTES_MAX} bytes."
            )
        if not self._is_1_1 and self._parser.get_http_version() not in _VERSIONS:
            raise UpstreamProtocolError(Refusal.VERSION, "its version is neither 1.1 nor 1.0.")
        if framing.is_interim(status, headers):
            self._interim += 1
            if self._interim > INTERIM_ANSWERS_MAX:
                raise UpstreamProtocolError(
                    Refusal.INTERIM, f"more than {INTERIM_ANSWERS_MAX} 1xx answers."
                )
            headers.clear()
            self._is_1_1 = False  # known of this head only
            return
        self._framing = framing.framing_of(status, headers)
        self._phase = _BODY
        if self._bodiless:
            self._phase = _ENDED
            raise _ExtraBytes  # llhttp would go on to read the body that the head announces

    def _deliver(self, data: bytes, phase_before: int) -> None:
        """Hand on what one read brought."""
        if self._phase == _HEAD:
            if self._head_bytes > HEAD_BYTES_MAX:
                message = f"its head is longer than {HEAD_BYTES_MAX} bytes."
                self._refuse(UpstreamProtocolError(Refusal.HEAD_SIZE, message))
        elif self._phase == _ENDED:
            self._finish(reusable=self._reusable and self._ended_exactly(data, phase_before))
        elif not self._is_wordy(data, phase_before):
            self._pass_on()

    def _ended_exactly(self, data: bytes, phase_before: int) -> bool:
        if phase_before == _BODY:
            head_bytes = 0
        elif self._head_bytes == len(data) and not self._interim:
            head_bytes = data.find(b"\r\n\r\n") + 4
        else:
            head_bytes = framing.UNKNOWN
        return framing.ends_exactly(self._framing, data, head_bytes, sum(map(len, self._parts)))

    def _is_wordy(self, data: bytes, phase_before: int) -> bool:
        """Refuse a chunked body that is mostly framing: extensions, trailers, endless sizes."""
        if self._framing != framing.CHUNKED or phase_before != _BODY:
            return False
        size = sum(map(len, self._parts))
        spare = CHUNK_ALLOWANCE * len(self._parts)
        self._excess = max(0, self._excess + len(data) - size - spare)
        if self._excess > CHUNK_EXCESS_MAX:
            self._refuse(
                UpstreamProtocolError(Refusal.CHUNK_EXCESS, "its chunks are mostly framing.")
            )
            return True
        return False

    def _pass_on(self) -> None:
        """Give the reader the new parts; the first time, give the caller its answer."""
        parts, self._parts = self._parts, []
        inbox = self._inbox
        if inbox is None:
            self.stamp = self._ticks.now
            inbox = self._inbox = Inbox(self._loop, self._transport)
            waiter, self._waiter = self._waiter, None
            if waiter is None or waiter.done():
                self.close()
                return
            waiter.set_result(StreamedAnswer(self._status, self._headers, inbox, self._loop))
        if parts:
            inbox.put(parts, sum(map(len, parts)))

    def _finish(self, *, reusable: bool) -> None:
        """The answer is complete: free or close the connection, then wake the caller."""
        if self._trailers is not None:
            try:
                framing.check_trailers(self._trailers)
            except UpstreamProtocolError as refusal:
                self._refuse(refusal)
                return
        parts, waiter, inbox = self._parts, self._waiter, self._inbox
        self._waiter = self._inbox = None
        if reusable and not self._transport.get_write_buffer_size():
            self._phase = _IDLE
            self.stamp = self._ticks.now
            self._on_free(self)
        else:
            self._phase = _CLOSED
            self._transport.abort()
        if inbox is not None:
            inbox.finish(parts, self._trailers or ())
        elif waiter is not None and not waiter.done():
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            if self._trailers is None:
                waiter.set_result(Answer(self._status, self._headers, body))
            else:
                waiter.set_result(
                    AnswerWithTrailers(self._status, self._headers, body, self._trailers)
                )

    def _refuse(self, refusal: UpstreamProtocolError) -> None:
        self._end_with(refusal)
        self._transport.abort()

    def _end_with(self, error: UpstreamError) -> None:
        self._phase = _CLOSED
        waiter, inbox = self._waiter, self._inbox
        self._waiter = self._inbox = None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if inbox is not None:
            inbox.fail(error)


def _size(header: tuple[bytes, bytes]) -> int:
    name, value = header
    return len(name) + len(value) + 4  # ": " and the line end
