"""A small connection pool that keeps the reason: who cannot get a connection learns why."""

import asyncio
import select
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from meterr.core.outage import DatabaseUnavailable

Connection = AsyncConnection[tuple[object, ...]]


class Pool:
    """
    At most ``size_max`` connections, opened when needed, the most recently used one first.

    Never retries by itself: the caller knows whether its work may be repeated. Belongs to one event
    loop.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, size_max: int, wait_timeout_s: float
    ) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._seats = asyncio.Semaphore(size_max)
        self._wait_timeout_s = wait_timeout_s
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection outside any transaction. Raises DatabaseUnavailable."""
        await self._take_seat()
        try:
            connection = await self._live_connection()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._seats.release()

    async def close(self) -> None:
        """Close what is idle; what is lent closes when it comes back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    async def _take_seat(self) -> None:
        try:
            async with asyncio.timeout(self._wait_timeout_s):
                await self._seats.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable(
                server_absent=False, private="every connection of the pool is in use"
            ) from error

    async def _live_connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not _has_ended(connection):
                return connection
            await connection.close()
        return await self._connect()

    async def _give_back(self, connection: Connection) -> None:
        clean = connection.info.transaction_status is TransactionStatus.IDLE
        if clean and not self._closed:
            self._idle.append(connection)
        else:
            await connection.close()


def _has_ended(connection: Connection) -> bool:
    """
    Tell, without a round trip, whether the server has hung up on an idle connection.

    An idle server sends nothing, so anything to read is its farewell (or a reload notice, after
    which a new connection is as good).
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
