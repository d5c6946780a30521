"""One request and its answer, as ASGI sees them, on a connection of ours."""

import asyncio
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from meterr.core.http.answer_head import ANSWER_HEAD, OWN_NAMES
from meterr.core.http.asgi import ON_CLIENT_GONE, WHOLE_BODY, Headers, Message, Scope

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_as_line = b"%b: %b\r\n".__mod__  # of a (name, value)
_BODILESS = frozenset({204, 304})


class AnswerRefused(RuntimeError):
    """A route made an answer that cannot be sent as HTTP."""


class Line(Protocol):
    """What an exchange needs of its connection."""

    transport: Any
    takes_more: asyncio.Event | None
    """Set when the client has no room; done when it has some again."""

    usual_head: bytes
    """The block of header lines of answers that no route chose one for."""

    @property
    def default_headers(self) -> Headers:
        """Headers of every answer that change with time."""

    def resume_reading(self) -> None:
        """Read on, if reading was paused for want of room."""

    def exchange_over(self) -> None:
        """Take note that the answer is complete."""


class Exchange:
    """
    A request that has begun, and the answer to it.

    The head of an answer of known length waits for its body, so both leave in one write. Header
    names come in lower case from our own routes; a line break in a head refuses the answer.
    """

    __slots__ = (
        "_chunked",
        "_delivered",
        "_head",
        "_left",
        "_line",
        "_parts",
        "_received",
        "_started",
        "_unsized",
        "_waiter",
        "body_complete",
        "gone",
        "keep_alive",
        "over",
        "scope",
    )

    def __init__(self, line: Line, scope: Scope, *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.body_complete = False
        self.gone = False
        self.over = False
        self._line = line
        self._parts: list[bytes] = []
        self._received = False  # somebody has begun to receive the body
        self._delivered = False
        self._waiter: asyncio.Future[None] | None = None
        self._started = False
        self._chunked = False
        self._unsized = False
        self._head = b""
        self._left = 0

    def feed(self, part: bytes) -> int:
        """Take a part of the body; return how many parts wait to be read."""
        if self.over:
            return 0
        self._parts.append(part)
        self._wake()
        return len(self._parts)

    def complete_body(self) -> None:
        """Take note that the whole body is here."""
        self.body_complete = True
        if not (self._received or self.over):
            body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = [body]
            self.scope[WHOLE_BODY] = body
        else:
            self._wake()

    def client_gone(self) -> None:
        """Take note that nobody will read the rest of the answer; tell the route."""
        if self.over:
            return
        self.gone = True
        self._wake()
        on_client_gone = self.scope.get(ON_CLIENT_GONE)
        if on_client_gone is not None:
            on_client_gone()

    async def receive(self) -> Message:
        """Return the next ASGI message for the route."""
        self._received = True
        while True:
            if self.gone or self.over:
                return {"type": "http.disconnect"}
            if self._parts or (self.body_complete and not self._delivered):
                body = b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]
                self._parts.clear()
                self._delivered = self.body_complete
                return {"type": "http.request", "body": body, "more_body": not self.body_complete}
            self._ask_for_more()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def send(self, message: Any) -> None:
        """Take an ASGI message from the route; once the client has left, it goes nowhere."""
        takes_more = self._line.takes_more
        if takes_more is not None:
            await takes_more.wait()
        if self.gone:
            return
        if not self._started:
            self._begin(message)
        elif self.over:
            raise AnswerRefused("the answer was complete already")
        else:
            self._continue(message["body"], more=message.get("more_body", False))

    def _ask_for_more(self) -> None:
        self._line.resume_reading()
        if not self._started and any(
            name == b"expect" and value.lower() == b"100-continue"
            for name, value in self.scope["headers"]
        ):
            self._line.transport.write(_CONTINUE)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _begin(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise AnswerRefused(f"an answer cannot begin with {message['type']}")
        headers = (*self._line.default_headers, *message["headers"])
        named = dict(headers)
        block = self.scope.get(ANSWER_HEAD)
        if block is None:  # its names come from lists that hold none of ours
            block = self._line.usual_head
        elif not OWN_NAMES.isdisjoint(named):
            headers = tuple(pair for pair in headers if pair[0] not in OWN_NAMES)
        lines = [STATUS_LINE[message["status"]], *map(_as_line, headers)]
        length = named.get(b"content-length")
        bodiless = message["status"] in _BODILESS
        unsized = length is None and not bodiless
        if length is not None:
            self._left = int(length)
        elif bodiless:
            pass
        elif self.scope["http_version"] != "1.0":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self.keep_alive = False  # HTTP/1.0 knows no chunks: the end of the connection ends it
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise AnswerRefused("a header of the answer holds a line break")
        head += block
        self._started = True
        self._unsized = unsized
        if unsized:
            self._line.transport.write(head)
        else:
            self._head = head

    def _continue(self, body: bytes, *, more: bool) -> None:
        transport = self._line.transport
        if self.scope["method"] == "HEAD":
            transport.write(self._head)
        elif self._chunked:
            transport.write(_chunk(body, last=not more))
        elif self._unsized:
            transport.write(body)
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise AnswerRefused("the body is not as long as content-length says")
            transport.write(self._head + body if self._head else body)
        self._head = b""
        if not more:
            self.over = True
            self._wake()
            self._line.exchange_over()


def _chunk(body: bytes, *, last: bool) -> bytes:
    if not body:
        return b"0\r\n\r\n" if last else b""
    if last:
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"%x\r\n%b\r\n" % (len(body), body)
