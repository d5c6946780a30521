"""What the caller holds: the head, and the body as it arrives."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from meterr.gateway.upstream.errors import AnswerTooLarge, UpstreamClosed, UpstreamError
from meterr.gateway.upstream.framing import Headers
from meterr.gateway.upstream.limits import UNREAD_BYTES_MAX

Taker = Callable[[bytes], Awaitable[None] | None]
"""Takes a part of a body; returns what must be awaited before it can take the next one."""


class Inbox:
    """
    Body bytes on their way from one connection to one reader.

    The connection puts, the answer takes. ``transport`` is set only while the exchange lasts, so
    nothing done to a finished answer can reach the connection's next user.
    """

    __slots__ = (
        "_loop",
        "_parts",
        "_taker",
        "_unfinished",
        "_waiter",
        "ended",
        "error",
        "paused",
        "trailers",
        "transport",
        "unread",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self.transport: asyncio.Transport | None = transport
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._taker: Taker | None = None  # set while every part goes to it at once
        self._unfinished: Awaitable[None] | None = None
        self.unread = 0
        self.paused = False
        self.ended = False
        self.error: UpstreamError | None = None
        self.trailers: Headers = []

    def put(self, part: bytes) -> None:
        """Pass ``part`` on, or keep it; pause the socket when too much waits unread."""
        taker = self._taker
        if taker is None:
            self._keep(part)
            return
        try:
            unfinished = taker(part)
        # Raised where the taker's owner waits, whatever it is: the connection must not end by it.
        # There is a taker only while its owner waits; one that was cancelled has what it raises.
        except Exception as fault:  # noqa: BLE001
            self._taker = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(fault)
            return
        if unfinished is not None:
            self._unfinished = unfinished
            self._taker = None  # what comes meanwhile waits its turn
            self._wake()

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self.unread += len(part)
        if self.unread > UNREAD_BYTES_MAX and not self.paused and self.transport is not None:
            self.paused = True
            self.transport.pause_reading()
        self._wake()

    def finish(self, part: bytes, trailers: Headers) -> None:
        """Keep the last ``part`` and let go of the connection: its next exchange may begin."""
        if part:
            self._parts.append(part)
        self.trailers = trailers
        self.ended = True
        self._let_go()

    def fail(self, error: UpstreamError) -> None:
        """End the body with ``error``, raised after the bytes before it. The first one counts."""
        if not self.ended and self.error is None:
            self.error = error
        self._let_go()

    def abort(self) -> None:
        """Close the connection if it is still ours, and forget what waits unread."""
        transport = self.transport
        if transport is not None:
            self._parts.clear()
            self.fail(UpstreamClosed("The answer was given up by its reader.", in_body=True))
            transport.abort()

    async def next(self) -> bytes:
        """Return what has arrived, at least one byte; ``b""`` at the end. Raises what cut it."""
        while not self._parts:
            if self.error is not None:
                raise self.error
            if self.ended:
                return b""
            await self._arrival()
        return self._take()

    async def pour(self, taker: Taker) -> bytes:
        """Do what ``Answer.pour`` says."""
        while True:
            while self._parts:
                part = self._take()
                if self.ended:
                    return part
                unfinished = taker(part)
                if unfinished is not None:
                    await self._finished(unfinished)
            if self.error is not None:
                raise self.error
            if self.ended:
                return b""
            await self._arrival(taker)
            unfinished, self._unfinished = self._unfinished, None
            if unfinished is not None:
                await self._finished(unfinished)

    async def _finished(self, unfinished: Awaitable[None]) -> None:
        try:
            await unfinished
        except asyncio.CancelledError:
            self.abort()
            raise

    def _take(self) -> bytes:
        parts, self._parts = self._parts, []
        self.unread = 0
        if self.paused:
            self.paused = False
            if self.transport is not None:
                self.transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _arrival(self, taker: Taker | None = None) -> None:
        if self._waiter is not None:
            raise RuntimeError("An answer has one reader at a time.")
        self._waiter = self._loop.create_future()
        self._taker = taker
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = self._taker = None

    def _let_go(self) -> None:
        if self.paused and not self.ended:
            self.paused = False
        self.transport = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Answer:
    """
    An upstream's answer whose body had arrived whole, together with its head.

    Header names are lower-cased, values as sent; hop-by-hop headers are still there. The
    connection is back in its pool already, so there is nothing to release.
    """

    __slots__ = ("_taken", "_trailers", "body_now", "headers", "status")

    def __init__(
        self, status: int, headers: Headers, body_now: bytes | None, trailers: Headers
    ) -> None:
        self.status = status
        self.headers = headers
        self.body_now = body_now
        self._trailers = trailers
        self._taken = False

    @property
    def trailers(self) -> Headers:
        """Return the trailers, names lower-cased; empty until the body was read to its end."""
        return self._trailers

    async def read(self, limit: int) -> bytes:
        """
        Return the rest of the body.

        Raises AnswerTooLarge, the connection closed, when that is more than ``limit`` bytes.
        """
        parts: list[bytes] = []
        size = 0
        async for part in self:
            size += len(part)
            if size > limit:
                self.abort()
                raise AnswerTooLarge(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pour(self, taker: Taker) -> bytes:
        """
        Pass the body to ``taker`` as it arrives; return its last part, which ``taker`` never sees.

        ``taker`` is called in the very turn of the loop in which a part was read: no task has to
        wake for it. What it raises is raised here. What it returns is awaited here, and until then
        parts gather, and are joined, up to the limit at which the connection is no longer read.
        """
        return self.body_now or b""

    def abort(self) -> None:
        """Give the answer up: close its connection unless the exchange is over. Repeatable."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._taken or not self.body_now:
            raise StopAsyncIteration
        self._taken = True
        return self.body_now


class StreamedAnswer(Answer):
    """
    An answer whose body is still arriving: ``body_now`` is None.

    Iterating yields what has arrived since the last time, de-chunked and joined. At the end of the
    body the connection goes back to its pool by itself; an answer dropped before that closes it.
    """

    __slots__ = ("_inbox", "_loop")

    def __init__(
        self, status: int, headers: Headers, inbox: Inbox, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(status, headers, None, inbox.trailers)
        self._inbox = inbox
        self._loop = loop

    @property
    def trailers(self) -> Headers:
        return self._inbox.trailers

    def abort(self) -> None:
        self._inbox.abort()

    async def pour(self, taker: Taker) -> bytes:
        return await self._inbox.pour(taker)

    async def __anext__(self) -> bytes:
        part = await self._inbox.next()
        if not part:
            raise StopAsyncIteration
        return part

    def __del__(self) -> None:
        # The collector may run in any thread; a transport may be touched only in its loop's.
        if self._inbox.transport is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._inbox.abort)
