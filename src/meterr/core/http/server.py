"""uvicorn's httptools protocol with the limits it lacks: bytes and seconds for a request's head."""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from meterr.core.http.asgi import BODY_COMPLETE, ON_CLIENT_GONE
from meterr.core.http.cycle import Cycle

_HEADERS_MAX = 128
"""Most header lines of one request; SDKs send about 25, proxies add a few."""

_REFUSAL = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)
_REFUSALS = {
    400: b"400 Bad Request",
    408: b"408 Request Timeout",
    431: b"431 Request Header Fields Too Large",
}


class LimitedHttpProtocol(HttpToolsProtocol):
    """
    Refuse a head that is too long or too slow, and tell the route when its client has left.

    A refusal at this level happens before any route is known, so it speaks the shape that both
    families' SDKs read (an ``error`` object with ``type`` and ``message``).
    """

    head_bytes_max = 64 * 1024
    head_timeout_s = 10.0
    write_timeout_s = 60.0
    linger_s = 60.0
    """How long a refused body may still come, so that the client gets to read why."""

    def connection_made(  # type: ignore[override]  # uvicorn narrows the type likewise
        self, transport: asyncio.Transport
    ) -> None:
        self._head_open = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(
            self.head_timeout_s, self._head_too_slow
        )
        self._linger_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            on_client_gone = cycle.scope.get(ON_CLIENT_GONE)
            if on_client_gone is not None:
                on_client_gone()

    def data_received(self, data: bytes) -> None:
        if self._head_open:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._head_open:
            self._stop_head_timer()
        elif not self.transport.is_closing():
            if self._head_bytes > self.head_bytes_max:
                self._refuse(431, f"The headers are larger than {self.head_bytes_max} bytes.")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_too_slow)

    def pause_writing(self) -> None:
        super().pause_writing()
        # A client that takes nothing would hold its provider connection for as long as it likes.
        self._write_timer = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_open:
            return  # a trailer: it must never pass for a header
        super().on_header(name, value)
        if len(self.headers) > _HEADERS_MAX:
            self._refuse(431, f"There are more than {_HEADERS_MAX} headers.")

    def on_headers_complete(self) -> None:
        self._head_open = False
        if self._head_bytes > self.head_bytes_max and self._head_size() > self.head_bytes_max:
            self._refuse(431, f"The headers are larger than {self.head_bytes_max} bytes.")
        self._head_bytes = 0
        if not self.transport.is_closing():
            self._begin_cycle()

    def _begin_cycle(self) -> None:
        """What uvicorn does here, for our own kind of cycle; upgrades are not taken up."""
        parser = self.parser
        scope: Any = self.scope
        version = parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before: Any = self.cycle
        cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_message_complete(self) -> None:
        scope: Any = self.scope
        scope[BODY_COMPLETE] = True
        if self._linger_timer is not None:
            self.transport.close()
        elif not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        cycle: Any = self.cycle
        if cycle.response_complete and BODY_COMPLETE not in cycle.scope:
            # Answered before its body was read. Closing now would reset the connection under the
            # answer; reading on without end would hold it for as long as somebody drips bytes.
            self._linger_timer = self.loop.call_later(self.linger_s, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "This is not a valid HTTP/1.1 request.")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if not self._head_bytes:
            self.transport.close()  # a connection that never spoke gets no answer
        else:
            self._refuse(
                408, f"The headers were not complete after {self.head_timeout_s:g} seconds."
            )

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()  # never into the middle of another request's answer
            return
        body = (
            b'{"type":"error","error":{"type":"invalid_request_error","message":"%b",'
            b'"param":null,"code":"invalid-http"}}' % message.encode("ascii")
        )
        self.transport.write(_REFUSAL % (_REFUSALS[status], len(body), body))
        self.transport.close()
