"""One request and its answer on uvicorn's httptools protocol, with a whole answer in one write."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class AnswerRefused(RuntimeError):
    """A route made an answer that cannot be sent; nothing of it was written."""


class Cycle(RequestResponseCycle):
    """
    uvicorn's cycle; only what it costs to begin an answer differs.

    The head of an answer of known length waits for its body, so both leave in one write. Header
    names come in lower case from our own routes. A line break anywhere in the head refuses it.
    """

    _head = b""

    async def send(self, message: Any) -> None:
        """Take an ASGI message from the route; once the client has left, it goes nowhere."""
        if self.disconnected:
            return
        if self.response_started:
            if not self._head:
                await super().send(message)
                return
            await self._send_whole(message)
        elif message["type"] == "http.response.start":
            await self._begin(message)
        else:
            raise AnswerRefused(f"an answer cannot begin with {message['type']}")

    async def _begin(self, message: Any) -> None:
        length = -1
        lines = [STATUS_LINE[message["status"]]]
        for name, value in (*self.default_headers, *message["headers"]):
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                self.keep_alive = False
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if length < 0:
            lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise AnswerRefused("a header of the answer holds a line break")
        self.response_started = True
        self.waiting_for_100_continue = False
        if length < 0:
            self.chunked_encoding = True
            self.transport.write(head)
        else:
            self.chunked_encoding = False
            self.expected_content_length = length
            self._head = head

    async def _send_whole(self, message: Any) -> None:
        head, self._head = self._head, b""
        if message.get("more_body") or self.scope["method"] == "HEAD":
            self.transport.write(head)
            await super().send(message)
            return
        body = message["body"]
        if len(body) != self.expected_content_length:
            raise AnswerRefused("the body is not as long as content-length says")
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.is_abandoned():
            return
        self.transport.write(head + body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def is_abandoned(self) -> bool:
        """Say whether the client has left."""
        return self.disconnected
