"""
Taking connections from a queue that other processes take from too.

Left to itself the kernel wakes every process for each connection, and whoever comes first empties
the queue: one process ends up with most of the connections, and keep-alive makes that last. So the
process that holds the fewest goes first. The others wait a moment and then take one all the same:
a process that is stuck costs milliseconds, never a connection.
"""

import asyncio
import socket
from collections.abc import Callable, Sized
from typing import Final

from meterr.app.turns import NOT_SERVING, Seat

COURTESY_S: Final = 0.002
"""How long a process waits for those that hold fewer connections; taking one is much quicker."""

_BATCH_MAX: Final = 16
_EXHAUSTED_PAUSE_S: Final = 0.1


class Acceptor:
    """
    Take connections in turn. Belongs to one event loop.

    ``connections`` are those that this process serves; a protocol of ``protocol`` joins them when
    it is made and leaves them when it is lost.
    """

    def __init__(
        self,
        listener: socket.socket,
        seat: Seat,
        protocol: Callable[[], asyncio.Protocol],
        connections: Sized,
    ) -> None:
        listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._seat = seat
        self._protocol = protocol
        self._connections = connections
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to take connections."""
        self._tell()
        self._listen()

    async def close(self) -> None:
        """Take no more. Who waits in the queue is left to others, who was taken is served."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._seat.hold(NOT_SERVING)
        await asyncio.gather(*self._arriving)

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._somebody_waits)

    def _tell(self) -> None:
        self._seat.hold(len(self._connections) + len(self._arriving))

    def _somebody_waits(self) -> None:
        self._tell()
        for _ in range(_BATCH_MAX):
            if not self._seat.is_first():
                self._stand_aside(COURTESY_S)
                return
            if not self._take_one():
                return

    def _stand_aside(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self._pause = None
        self._listen()
        self._take_one()

    def _take_one(self) -> bool:
        try:
            taken, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # somebody else was quicker, or the caller has left
        except OSError:  # no descriptor left here; another process may have some
            self._stand_aside(_EXHAUSTED_PAUSE_S)
            return False
        taken.setblocking(False)
        task = self._loop.create_task(self._welcome(taken))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        self._tell()
        return True

    async def _welcome(self, taken: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, taken)
        except OSError:  # reset before it was ours
            taken.close()
