"""The connections to one origin: who gets which, how many there are, when they are too old."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from meterr.core.http.outbound import Address, AllowList, OutboundRefused, WrittenGuard
from meterr.gateway.upstream.answer import Answer
from meterr.gateway.upstream.connection import Connection, Ticks
from meterr.gateway.upstream.errors import ConnectFailed, ConnectFault, ConnectTimeout
from meterr.gateway.upstream.limits import Timeouts, patience_of
from meterr.gateway.upstream.origin import Origin
from meterr.gateway.upstream.request import HeaderBlock, encode_head

CONNECTIONS_MAX: Final = 1024
"""Default for connections at once, streams included: each is a socket here and at the provider."""

IDLE_CONNECTIONS_MAX: Final = CONNECTIONS_MAX
"""Default for connections kept for later: all. Bursts that return find them warm, and what a burst
does not need again is old soon. To close and open a tenth of them costs a tenth of all time."""

IDLE_KEEP_S: Final = 50.0
"""Default life of an unused connection: common load balancers close theirs after 60 s."""

_NO_BODY_METHOD: Final = b"HEAD"

Locate = Callable[[], Awaitable[Sequence[Address]]]
"""Say where to connect to, for one connection. Raises OutboundRefused or OSError."""


def _nothing() -> None:
    """Do nothing when a request leaves."""


async def _nothing_new() -> None:
    """Find nothing to keep a request that waited from leaving."""


class UpstreamPool:
    """
    Sends requests to one origin over kept-alive connections, the last used first.

    Belongs to the event loop it was made in. Nothing is ever sent twice: a connection found closed
    before the first byte is passed over for another one, and whatever fails after that is raised.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        timeouts: Timeouts | None = None,
        idle_connections_max: int = IDLE_CONNECTIONS_MAX,
        connections_max: int = CONNECTIONS_MAX,
        idle_keep_s: float = IDLE_KEEP_S,
        locate: Locate | None = None,
    ) -> None:
        if connections_max < 1 or idle_connections_max < 0 or idle_keep_s <= 0:
            raise ValueError(
                "A pool needs room for a connection, and a life above 0 s for idle ones."
            )
        self._origin = origin
        self._locate = locate or WrittenGuard(origin.destination, AllowList()).locate
        self._host_line = b" HTTP/1.1\r\nHost: " + origin.authority + b"\r\n"
        self._timeouts = timeouts or Timeouts()
        self._patience = patience_of(self._timeouts, idle_keep_s)
        self._idle_max = idle_connections_max
        self._slots_free = connections_max
        self._ticks = Ticks()
        self._ticker: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._idle: list[
            Connection
        ] = []  # in order of last use: taken from the end, aged from the front
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self._all_gone: asyncio.Future[None] | None = None

    async def send(
        self,
        method: bytes,
        target: bytes,
        headers: HeaderBlock | Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
        *,
        leave: Callable[[], None] = _nothing,
        look_again: Callable[[], Awaitable[None]] = _nothing_new,
    ) -> Answer:
        """
        Send one request and return its answer once the head is there (the body may be, too).

        Host and Content-Length are written here. ``leave`` is called once a connection is there,
        right before the first byte; before it, if that took a wait, ``look_again``, and what this
        raises ends the request unsent. Raises an UpstreamError, whose ``sent`` tells whether the
        upstream may have seen the request. Cancelling closes the connection used.
        """
        head = encode_head(method, target, self._host_line, headers, len(body))
        connection = self._take_idle()
        if connection is None:
            connection = await self._waited_for(look_again)
        leave()
        waiter = connection.start(head, body, bodiless=method == _NO_BODY_METHOD)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise

    async def aclose(self) -> None:
        """Close every connection, failing what is under way; no request can be sent afterwards."""
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        for waiter in self._queue:
            if not waiter.done():
                waiter.set_exception(_closed())
        self._queue.clear()
        for connection in tuple(self._connections):
            connection.close()
        self._idle.clear()
        if self._connections:
            self._all_gone = self._all_gone or self._loop.create_future()
            await asyncio.shield(self._all_gone)

    # --- getting a connection ---

    def _take_idle(self) -> Connection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _waited_for(self, look_again: Callable[[], Awaitable[None]]) -> Connection:
        while True:
            connection = await self._wait_for_connection()
            try:
                await look_again()
            # Whatever ended it, a cancellation too: the connection is as good as before.
            except BaseException:
                self._on_free(connection)
                raise
            if connection.is_usable():
                return connection
            connection.close()

    async def _wait_for_connection(self) -> Connection:
        connect_s = self._timeouts.connect_s
        try:
            async with asyncio.timeout(connect_s):
                return await self._acquire()
        except TimeoutError:
            raise ConnectTimeout(f"No connection to the upstream within {connect_s:g} s.") from None

    async def _acquire(self) -> Connection:
        while not self._closed:
            if self._slots_free:
                self._slots_free -= 1
                return await self._open()
            connection = await self._queue_up()
            if connection is None:
                return await self._open()
            if connection.is_usable():
                return connection
            connection.close()
        raise _closed()

    async def _queue_up(self) -> Connection | None:
        """Wait for a connection that became free, or (None) for the right to open one."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._queue.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            with suppress(ValueError):  # no longer queued when it was granted something
                self._queue.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                granted = waiter.result()
                if granted is None:
                    self._free_slot()
                else:
                    self._on_free(granted)
            raise

    async def _open(self) -> Connection:
        """Make a connection in a slot that is ours already; gives the slot back on any failure."""
        connection = Connection(
            self._loop, self._ticks, self._patience, self._on_free, self._on_gone
        )
        try:
            await self._connect(connection)
            if self._closed:
                raise _closed()
            if not connection.is_usable():
                message = "The upstream closed the connection at once."
                raise ConnectFailed(message, ConnectFault.NETWORK)
        # Whatever happened, cancellation included: a slot lost here would be lost for good.
        except BaseException:
            connection.close()
            self._free_slot()
            raise
        self._connections.add(connection)
        if self._ticker is None:
            self._ticker = self._loop.call_later(self._patience.tick_s, self._tick)
        return connection

    async def _connect(self, connection: Connection) -> None:
        try:
            await self._connect_to_one(connection, await self._locate())
        except OutboundRefused as refusal:
            message = f"The upstream's address is refused: {refusal.reason} ({refusal.private})."
            raise ConnectFailed(message, ConnectFault.ADDRESS) from None
        except ssl.SSLCertVerificationError as fault:
            message = f"The upstream's certificate is refused: {fault.verify_message}."
            raise ConnectFailed(message, ConnectFault.CERTIFICATE) from fault
        except ssl.SSLError as fault:
            message = f"TLS with the upstream failed: {fault.reason}."
            raise ConnectFailed(message, ConnectFault.TLS) from fault
        except OSError as fault:
            raise _network_failure(fault) from fault

    async def _connect_to_one(self, connection: Connection, addresses: Sequence[Address]) -> None:
        """Connect to the first address that answers, by its number: no name is looked up again."""
        origin = self._origin
        server_hostname = origin.host if origin.tls is not None else None
        last = addresses[-1]
        for address in addresses:
            try:
                await self._loop.create_connection(
                    lambda: connection,
                    str(address),
                    origin.port,
                    ssl=origin.tls,
                    server_hostname=server_hostname,
                )
                return
            except ssl.SSLError:
                raise  # somebody is there, and it is not who it should be
            except OSError:
                if address is last:
                    raise

    # --- what connections report ---

    def _on_free(self, connection: Connection) -> None:
        queue = self._queue
        while queue:
            waiter = queue.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if self._closed or len(self._idle) >= self._idle_max:
            connection.close()
        else:
            self._idle.append(connection)

    def _on_gone(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # it never came to be ours: _open has given its slot back
        self._connections.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()
        if self._all_gone is not None and not self._connections and not self._all_gone.done():
            self._all_gone.set_result(None)

    def _free_slot(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._slots_free += 1

    def _tick(self) -> None:
        self._ticks.now += 1
        for connection in tuple(self._connections):
            connection.look_at_deadlines()
        oldest_kept = self._ticks.now - self._patience.keep
        while self._idle and self._idle[0].stamp < oldest_kept:
            self._idle.pop(0).close()
        again = bool(self._connections) and not self._closed
        self._ticker = self._loop.call_later(self._patience.tick_s, self._tick) if again else None


def _closed() -> ConnectFailed:
    return ConnectFailed("The pool of connections is closed.", ConnectFault.CLOSED)


def _network_failure(fault: OSError) -> ConnectFailed | ConnectTimeout:
    if isinstance(fault, TimeoutError):
        return ConnectTimeout("The network gave up connecting to the upstream.")
    name = type(fault).__name__ == "gaierror"
    return ConnectFailed(
        f"No connection to the upstream: {fault.strerror or fault}.",
        ConnectFault.NAME if name else ConnectFault.NETWORK,
    )
