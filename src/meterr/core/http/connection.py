"""A client's connection: bytes become exchanges, within named limits of size and time."""

import asyncio
import logging
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from meterr.core.http.answer_head import NO_BLOCK
from meterr.core.http.asgi import Headers
from meterr.core.http.exchange import Exchange
from meterr.core.http.refusal import refusal
from meterr.core.http.target import is_path
from meterr.core.http.upgrade import without_upgrade

HEADERS_MAX = 128
"""Most header lines of one request; SDKs send about 25, proxies add a few."""

EXCESS_BYTES_MAX = 64 * 1024
"""Chunk extensions and trailers that one request may carry beside its body. The parser joins a
trailer that arrives in pieces again and again, so an endless one would cost more and more."""

PARTS_WAITING_MAX = 4
"""Body parts that may wait for their route before reading pauses; one is up to 256 KiB."""

_logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """
    One connection under uvicorn's server, in place of uvicorn's own protocol.

    Written for two reasons: uvicorn puts no bound on the bytes and seconds of a head, and what it
    does for each request costs as much as all the rest of a call. Requests of one connection are
    answered one after the other. A refusal at this level comes before any route is known, so it
    speaks the shape that both families' SDKs read.
    """

    usual_head = NO_BLOCK
    """The block of header lines of every answer that no route chose another for."""
    head_bytes_max = 64 * 1024
    head_timeout_s = 10.0
    write_timeout_s = 60.0
    keep_alive_s = 75.0
    linger_s = 60.0
    """How long a refused body may still come, so that the client gets to read why."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._application: Any = config.loaded_app
        self._state = server_state
        self._connections: set[Any] = server_state.connections  # uvicorn types its own protocols
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self.transport: Any = None  # from connection_made on
        self.takes_more: asyncio.Event | None = None
        self._current: Exchange | None = None
        self._arriving: Exchange | None = None
        self._pipeline: deque[Exchange] = deque()
        self._reading = True
        self._ending = False  # what comes now is not read: it follows on what was refused
        self._head_open = True
        self._head_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._excess = 0
        self._url = b""
        self._headers: Headers = []
        self._place: dict[str, Any] = {}
        self._path: tuple[bytes, str, bytes, bytes] = (b"", "", b"", b"")
        self._head_deadline: asyncio.TimerHandle | None = None
        self._rest_deadline: asyncio.TimerHandle | None = None  # of idling, or of a refused body
        self._write_deadline: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    @property
    def default_headers(self) -> Headers:
        """The headers that uvicorn keeps up to date, such as ``date``."""
        return self._state.default_headers

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._connections.add(self)
        self._place = {
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
        }
        self._head_deadline = self._loop.call_later(self.head_timeout_s, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stop_head_deadline()
        if self._rest_deadline is not None:
            self._rest_deadline.cancel()
        self.resume_writing()
        for exchange in (self._current, *self._pipeline):
            if exchange is not None:
                exchange.client_gone()
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._head_bytes += len(data)
        self._excess += len(data)  # less what turns out to be body
        if self._head_open:
            data = without_upgrade(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(501, "No other protocol is spoken here. Send no Upgrade header.")
        except httptools.HttpParserError:
            self._refuse(400, "This is not a valid HTTP/1.1 request.")
        if self._arriving is None:
            self._excess = 0
        elif self._excess > EXCESS_BYTES_MAX:
            self._refuse(400, "There is more chunk framing or trailer than body.")
        if self._current is None and self._pipeline:
            self._start(self._pipeline.popleft())
        if self._head_open:
            self._watch_head()
        else:
            self._head_bytes = 0

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.takes_more = asyncio.Event()
        # A client that takes nothing would hold its provider connection for as long as it likes.
        self._write_deadline = self._loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        if self.takes_more is not None:
            self.takes_more.set()
            self.takes_more = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._head_open = True
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_open:  # else it is a trailer, which must never pass for a header
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_open = False
        if self._head_bytes > self.head_bytes_max and self._head_size() > self.head_bytes_max:
            self._refuse(431, f"The headers are larger than {self.head_bytes_max} bytes.")
        elif len(self._headers) > HEADERS_MAX:
            self._refuse(431, f"There are more than {HEADERS_MAX} headers.")
        elif self._url != self._path[0] and not is_path(self._url):
            self._refuse(400, "The request target is not a path that begins with a slash.")
        if self._head_deadline is not None:
            self._stop_head_deadline()
        if not (self._ending or self.transport.is_closing()):
            self._excess = 0
            self._arriving = self._exchange()
            self._pipeline.append(self._arriving)
            if self._current is not None:
                self._pause_reading()

    def on_body(self, part: bytes) -> None:
        # Small chunks have a right to some framing: up to ten times their own size.
        self._excess = max(0, self._excess - 11 * len(part))
        if self._arriving is not None and self._arriving.feed(part) > PARTS_WAITING_MAX:
            self._pause_reading()

    def on_message_complete(self) -> None:
        arriving, self._arriving = self._arriving, None
        if arriving is None:
            return
        arriving.complete_body()
        if arriving.over:  # answered long ago; the connection only waited for this
            self.transport.close()

    # What uvicorn's server calls.

    def shutdown(self) -> None:
        """End when the answers that have begun are over."""
        if self._current is None and not self._pipeline:
            self.transport.close()
        else:
            self._end_after_answer()

    # What an exchange calls.

    def resume_reading(self) -> None:
        """Read on, if reading was paused for want of room."""
        if not self._reading and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    def exchange_over(self) -> None:
        """Go on with the next request, wait for one, or end."""
        exchange, self._current = self._current, None
        if self.transport.is_closing() or exchange is None:
            return
        if not exchange.body_complete:
            # Answered before its body was read. Closing now would reset the connection under the
            # answer; reading on without end would hold it for as long as somebody drips bytes.
            if self._rest_deadline is not None:
                self._rest_deadline.cancel()
            self._rest_deadline = self._loop.call_later(self.linger_s, self.transport.close)
            self.resume_reading()
        elif not exchange.keep_alive:
            self.transport.close()
        elif self._pipeline:
            self._start(self._pipeline.popleft())
        else:
            self.resume_reading()
            self._idle_since = self._loop.time()
            if self._rest_deadline is None:
                self._rest_deadline = self._loop.call_later(self.keep_alive_s, self._look_if_idle)

    def _exchange(self) -> Exchange:
        parser = self._parser
        url = self._url
        if url != self._path[0]:
            parts = httptools.parse_url(url)
            raw: bytes = parts.path
            path = raw.decode("ascii")
            self._path = (url, unquote(path) if "%" in path else path, raw, parts.query or b"")
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": self._path[1],
            "raw_path": self._path[2],
            "query_string": self._path[3],
            "root_path": "",
            "headers": self._headers,
            **self._place,
        }
        keep_alive = version != "1.0" and parser.should_keep_alive()
        return Exchange(self, scope, keep_alive=keep_alive)

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self._task = self._loop.create_task(self._run(exchange))
        self._state.tasks.add(self._task)

    async def _run(self, exchange: Exchange) -> None:
        task = self._task
        try:
            await self._application(exchange.scope, exchange.receive, exchange.send)
        # The application answers its own errors; what comes here broke that very answer.
        except Exception:
            _logger.exception("an answer broke off")
        finally:
            if task is not None:
                self._state.tasks.discard(task)
            if not exchange.over:
                self._current = None
                self.transport.close()

    def _pause_reading(self) -> None:
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def _end_after_answer(self) -> None:
        for exchange in (self._current, *self._pipeline):
            if exchange is not None:
                exchange.keep_alive = False

    def _watch_head(self) -> None:
        if self._ending or self.transport.is_closing():
            return
        if self._head_bytes > self.head_bytes_max:
            self._refuse(431, f"The headers are larger than {self.head_bytes_max} bytes.")
        elif self._head_deadline is None:
            self._head_deadline = self._loop.call_later(self.head_timeout_s, self._head_too_slow)

    def _head_size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def _head_too_slow(self) -> None:
        self._head_deadline = None
        if not self._head_bytes:
            self.transport.close()  # a connection that never spoke gets no answer
        else:
            self._refuse(
                408, f"The headers were not complete after {self.head_timeout_s:g} seconds."
            )

    def _look_if_idle(self) -> None:
        """Close a connection that has been idle for its time; else look again when it could be."""
        self._rest_deadline = None
        if self._current is None and not self._head_bytes:
            left_s = self._idle_since + self.keep_alive_s - self._loop.time()
            if left_s <= 0:
                self.transport.close()
            else:
                self._rest_deadline = self._loop.call_later(left_s, self._look_if_idle)

    def _stop_head_deadline(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _refuse(self, status: int, message: str) -> None:
        """
        Answer before any route is known, unless that would land inside another answer.

        What came whole just before it, and has not begun, is answered as itself and not with this.
        """
        if self.transport.is_closing():
            return
        before = [each for each in self._pipeline if each is not self._arriving]
        if self._current is None and before:
            self._end_after(before[-1])
            return
        if self._current is None:
            self.transport.write(refusal(status, message, self.usual_head))
        self.transport.close()

    def _end_after(self, last: Exchange) -> None:
        """Read no more; close after the answer to ``last``, a request that is here whole."""
        self._ending = True
        if self._arriving is not None:
            self._pipeline.remove(self._arriving)
            self._arriving = None
        last.keep_alive = False
        self._stop_head_deadline()
        self._pause_reading()
