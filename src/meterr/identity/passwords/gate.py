"""
The gate before the hashers: so many run at once, so many wait, and nobody's crowd takes all places.

Whoever waits is waiting for somebody: a network, as a rule. Networks take turns. When all places
are taken the newest of the network with most gives way to one that has fewer.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from meterr.core.errors import Unavailable

RETRY_AFTER_S: Final = 2

_Result = TypeVar("_Result")


class HashersBusy(Unavailable):
    """As many passwords are being hashed and waiting as may be."""

    code, title = "hashers-busy", "Too many sign-ins at once"

    def __init__(self) -> None:
        super().__init__(
            "Too many people are signing in right now. Retry in a moment.",
            reason="hashers_busy",
            retry_after_s=RETRY_AFTER_S,
        )


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Callable[[], object]
    turn: asyncio.Future[Future[object]]


class Gate:
    """At most ``running_max`` threads at work, with ``waiting_max`` behind them. Of one loop."""

    def __init__(self, threads: ThreadPoolExecutor, *, running_max: int, waiting_max: int) -> None:
        self._threads = threads
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._running: set[Future[object]] = set()
        self._waiting: dict[str, deque[_Waiting]] = {}  # in the order of turns

    async def run(self, whose: str, work: Callable[[], _Result]) -> _Result:
        """
        Return what ``work`` returns, done in a thread when it is the turn of ``whose``.

        Raises HashersBusy instead, at once or later, when all places are taken by others with no
        more than their share. A caller who leaves frees a place to wait; a thread that has begun
        keeps its own to its end.
        """
        loop = asyncio.get_running_loop()
        self._admit()
        if len(self._running) >= self._running_max:
            self._make_room(whose)
        waiting = _Waiting(work, loop.create_future())
        self._waiting.setdefault(whose, deque()).append(waiting)
        self._admit()
        try:
            running = await waiting.turn
        finally:
            self._leave(whose, waiting)
        return await asyncio.wrap_future(running)  # type: ignore[arg-type]  # what work returns

    def _admit(self) -> None:
        """Let in whose turn it is; networks that wait for more go to the end of the line."""
        self._running = {each for each in self._running if not each.done()}
        while self._waiting and len(self._running) < self._running_max:
            whose = next(iter(self._waiting))
            line = self._waiting.pop(whose)
            waiting = line.popleft()
            if line:
                self._waiting[whose] = line
            if not waiting.turn.done():
                self._start(waiting)

    def _start(self, waiting: _Waiting) -> None:
        loop = waiting.turn.get_loop()

        def ended(_: Future[object]) -> None:
            # A loop that is over waits for nobody; the next one looks for itself.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._admit)

        running = self._threads.submit(waiting.work)
        self._running.add(running)
        waiting.turn.set_result(running)
        running.add_done_callback(ended)

    def _make_room(self, whose: str) -> None:
        """See to it that there is a place to wait, or raise HashersBusy."""
        if sum(map(len, self._waiting.values())) < self._waiting_max:
            return
        fullest = max(self._waiting, key=lambda each: len(self._waiting[each]), default=whose)
        mine = len(self._waiting.get(whose, ()))
        if len(self._waiting.get(fullest, ())) <= mine + 1:
            raise HashersBusy
        newest = self._waiting[fullest].pop()
        if not newest.turn.done():
            newest.turn.set_exception(HashersBusy())

    def _leave(self, whose: str, waiting: _Waiting) -> None:
        line = self._waiting.get(whose)
        if line is None or waiting not in line:
            return
        line.remove(waiting)
        if not line:
            del self._waiting[whose]
