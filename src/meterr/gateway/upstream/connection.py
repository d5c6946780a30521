"""One kept-alive connection: an asyncio protocol that carries one exchange at a time."""

import asyncio
import select
from collections.abc import Callable
from typing import Final

from meterr.gateway.upstream.answer import Answer, Inbox, StreamedAnswer
from meterr.gateway.upstream.errors import (
    FirstByteTimeout,
    IdleTimeout,
    SendStalled,
    UpstreamClosed,
    UpstreamError,
    UpstreamProtocolError,
)
from meterr.gateway.upstream.limits import JOINED_WRITE_MAX, Patience
from meterr.gateway.upstream.reception import BODY, ENDED, Reception

# Plain integers, not an enum: compared in every read.
_IDLE: Final = 0  # nobody waits; any byte is an intrusion
_HEAD: Final = 1  # request written, the caller waits for its answer
_BODY: Final = 2  # the caller has its answer, the body is still arriving
_CLOSED: Final = 3


class Ticks:
    """The pool's coarse clock: ticks passed. Read in every exchange, so only an attribute."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0


class Connection(asyncio.Protocol):
    """
    Writes a request, reads its answer, and says when it is free again or gone.

    ``on_free`` is called the moment an answer has ended cleanly, before its caller wakes;
    ``on_gone`` once, when the connection can never be used again. Deadlines are counted in ticks
    and checked by ``look_at_deadlines``, so that an exchange arms no timer.
    """

    __slots__ = (
        "_inbox",
        "_loop",
        "_on_free",
        "_on_gone",
        "_patience",
        "_phase",
        "_reception",
        "_ticks",
        "_transport",
        "_unsent",
        "_uses",
        "_waiter",
        "stamp",
    )

    _transport: asyncio.Transport

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
        self._reception = Reception()
        self._waiter: asyncio.Future[Answer] | None = None
        self._inbox: Inbox | None = None
        self._uses = 0
        self._unsent = 0
        self.stamp = ticks.now  # the tick of the last progress; while idle, of the last use

    # --- the pool's side ---

    def start(self, head: bytes, body: bytes, *, bodiless: bool) -> "asyncio.Future[Answer]":
        """
        Write a request and return the future of its answer. Only for an idle connection.

        ``bodiless`` is True for HEAD, whose answer has no body whatever its head says.
        """
        self._phase = _HEAD
        self._uses += 1
        self._unsent = 0
        self.stamp = self._ticks.now
        self._reception.begin(bodiless=bodiless)
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
        if self._phase != _CLOSED:
            in_body = self._phase == _BODY
            self._end_with(
                error or UpstreamClosed("The connection was closed by us.", in_body=in_body)
            )
            self._transport.abort()

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport
        self._phase = _IDLE

    def data_received(self, data: bytes) -> None:
        if self._phase == _BODY:
            self.stamp = self._ticks.now
        elif self._phase != _HEAD:
            self.close()  # bytes nobody asked for must not become the next caller's answer
            return
        reception = self._reception
        try:
            stage = reception.feed(data)
        except UpstreamProtocolError as refusal:
            self.close(refusal)
            return
        if stage == BODY:
            inbox = self._inbox or self._inbox_of_answer()
            part = reception.take()
            if part and inbox is not None:
                inbox.put(part)
        elif stage == ENDED:
            self._finish(reusable=reception.reusable)

    def eof_received(self) -> None:
        if self._phase == _IDLE:
            self.close()
        elif self._phase == _BODY and self._reception.ends_with_connection:
            self._finish(reusable=False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._phase != _CLOSED:
            in_body = self._phase == _BODY
            what = "cut its answer short" if in_body else "closed the connection without an answer"
            why = "" if exc is None else f" ({exc})"
            self._end_with(UpstreamClosed(f"The upstream {what}{why}.", in_body=in_body))
        self._on_gone(self)

    # --- between them ---

    def _has_input(self) -> bool:
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _inbox_of_answer(self) -> Inbox | None:
        """Give the caller its answer; return where its body goes."""
        reception, waiter = self._reception, self._waiter
        if waiter is None or waiter.done():
            self.close()  # the caller was cancelled in this very turn
            return None
        self._waiter = None
        self._phase = _BODY
        self.stamp = self._ticks.now
        inbox = self._inbox = Inbox(self._loop, self._transport)
        waiter.set_result(StreamedAnswer(reception.status, reception.headers, inbox, self._loop))
        return inbox

    def _finish(self, *, reusable: bool) -> None:
        """The answer is complete: free or close the connection, then wake the caller."""
        reception, waiter, inbox = self._reception, self._waiter, self._inbox
        body, trailers = reception.take(), reception.fields
        self._waiter = self._inbox = None
        if reusable and not self._transport.get_write_buffer_size():
            self._phase = _IDLE
            self.stamp = self._ticks.now
            self._on_free(self)
        else:
            self._phase = _CLOSED
            self._transport.abort()
        if inbox is not None:
            inbox.finish(body, trailers)
        elif waiter is not None and not waiter.done():
            waiter.set_result(Answer(reception.status, reception.headers, body, trailers))

    def _end_with(self, error: UpstreamError) -> None:
        self._phase = _CLOSED
        waiter, inbox = self._waiter, self._inbox
        self._waiter = self._inbox = None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if inbox is not None:
            inbox.fail(error)
