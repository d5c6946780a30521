"""A raw socket that answers byte by byte as a script tells it: the provider nobody wishes for."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

from meterr.gateway.upstream import Origin, Timeouts, UpstreamPool

HEADERS = [(b"content-type", b"application/json")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Peer:
    """One accepted connection, in the hands of the script."""

    def __init__(
        self, server: "HostileServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self.writer = writer
        server.connections += 1
        self.number = server.connections

    async def request(self) -> bytes:
        """Return the next request, head and body; EOFError when the client closed instead."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        _, _, length = head.partition(b"Content-Length: ")
        body = await self._reader.readexactly(int(length.split(b"\r\n")[0] or 0))
        self._server.requests.append(head + body)
        return head + body

    async def send(self, *pieces: bytes) -> None:
        """Send each piece by itself, giving the client a chance to read it alone."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def until_closed(self) -> bytes:
        """Wait until the client closes; return what it sent before."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Close with RST, the way a crashing peer does."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class HostileServer:
    """What the script saw, and where it listens."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.open_max = 0
        self.port = 0
        self._changed = asyncio.Condition()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            await self._script(Peer(self, reader, writer))
        except (EOFError, ConnectionError):
            pass  # the client has had enough: most tests end so
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.open -= 1
            async with self._changed:
                self._changed.notify_all()

    async def all_closed(self) -> None:
        """Wait until no script is running: the client has closed every connection."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.open == 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def hostile(
    script: Script, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HostileServer]:
    """Serve ``script`` on a free port of 127.0.0.1, each connection by itself."""
    server = HostileServer(script)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(server.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()  # that of a task which never came to its first step, too


@asynccontextmanager
async def pool_of(server: HostileServer, **options: object) -> AsyncIterator[UpstreamPool]:
    """Yield a pool on ``server`` whose timeouts end a hanging test in seconds."""
    options.setdefault("timeouts", Timeouts(connect_s=5, first_byte_s=10, idle_s=10, write_s=10))
    # Each option is checked by the pool itself; a typed copy of its signature would drift.
    pool = UpstreamPool(Origin.parse(server.url), **options)  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.aclose()


def answers(*pieces: bytes) -> Script:
    """Return a script that answers every request with ``pieces`` and keeps the connection."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces)

    return script


def answers_then_closes(*pieces: bytes) -> Script:
    """Return a script that answers one request with ``pieces`` and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    return script


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Return ``data`` in pieces, cut at ``places`` (any order, any range)."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


async def post(
    pool: UpstreamPool, body: bytes = b"{}", *, method: bytes = b"POST"
) -> tuple[int, bytes]:
    """Send one request and return status and whole body."""
    answer = await pool.send(method, b"/v1/x", HEADERS, body)
    return answer.status, await answer.read(1 << 20)
