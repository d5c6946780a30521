"""
The parent process: it holds the listening sockets, starts and restarts the children, and drains.

A worker that dies loses no connection that was still waiting: the socket is the parent's, so its
queue survives until the next worker takes from it. Children die with the parent: its end of their
standard input closes, however it ended.
"""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass

from meterr.app.child import READY, Instructions, encode
from meterr.app.turns import NOT_SERVING, Seat
from meterr.core.errors import OperatorError
from meterr.core.telemetry import Event, EventLine, Level, Telemetry

_RESTART_PAUSES_S = (0.0, 0.1, 0.5, 2.0, 5.0)
"""Pause before a restart, by how often in a row the child died before it served."""

_STOP_GRACE_S = 5.0


class PortTaken(OperatorError):
    """The address cannot be listened on; the text says which, why, and the way out."""


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """Return a listening socket. Raises PortTaken, which names ``option`` as the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"cannot listen on {host}:{port}: {error.strerror or error}. "
            f"Choose another with {option}, or stop what uses it."
        ) from error
    return listener


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """
    A child to keep running. ``instructions.socket`` is the number of ``listener``.

    ``seat`` is its place among those that take from the same socket, if there are others.
    """

    name: str
    listener: socket.socket
    instructions: Instructions
    seat: Seat | None = None

    def descriptors(self) -> list[int]:
        """Return what the child inherits, besides its standard streams."""
        shared = [] if self.seat is None else [self.seat.turns.descriptor]
        return [self.listener.fileno(), *shared]


class Child:
    """One child process, started again whenever it dies, until ``stop``."""

    def __init__(self, plan: ChildPlan, telemetry: Telemetry) -> None:
        self._plan = plan
        self._telemetry = telemetry
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()

    @property
    def name(self) -> str:
        """What it is: the same for all gateways."""
        return self._plan.name

    @property
    def pid(self) -> int | None:
        """The running process's id."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """
        Keep the child running; return when it has been stopped.

        One that had served is started again at once: the start itself is pause enough, and callers
        wait. One that cannot start is tried ever more rarely.
        """
        stillborn = 0
        while not self._stopping.is_set():
            self._process = process = await self._start()
            if self._stopping.is_set() and process.stdin is not None:
                process.stdin.close()  # told to stop while this one was being born
            await self._await_ready(process)
            code = await process.wait()
            stillborn = 0 if self.ready.is_set() else stillborn + 1
            self.ready.clear()
            if self._plan.seat is not None:
                self._plan.seat.hold(NOT_SERVING)  # or the others would wait for it
            if self._stopping.is_set():
                return
            self._report(Level.ERROR, Event.PROCESS_DIED, f"exit status {code}", process.pid)
            await asyncio.sleep(_RESTART_PAUSES_S[min(stillborn, len(_RESTART_PAUSES_S) - 1)])

    async def stop(self, grace_s: float) -> None:
        """Close the lifeline, give the child ``grace_s`` seconds to finish, then kill it."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(grace_s + _STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "meterr.app",
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=self._plan.descriptors(),
            start_new_session=True,  # Ctrl+C in a terminal is for us; we stop the children in order
        )
        if process.stdin is not None:
            process.stdin.write(encode(self._plan.instructions))
        return process

    async def _await_ready(self, process: Process) -> None:
        if process.stdout is None:
            return
        if await process.stdout.readline() == READY:
            self._report(Level.INFO, Event.PROCESS_STARTED, self._plan.name, process.pid)
            self.ready.set()

    def _report(self, level: Level, event: Event, message: str, pid: int) -> None:
        line = EventLine(event=event, where=self._plan.name, message=message, pid=pid)
        self._telemetry.event(level, line)
