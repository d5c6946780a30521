"""Writing reports down: at most a second after the first of a kind, away from every call."""

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg

from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.events import store
from meterr.core.events.reporter import Reporter, Tally, lost

LOOK_EVERY_S: Final = 1.0
INTERVAL_S: Final = 60.0
_LAST_WRITE_S: Final = 1.0


class ReportWriter:
    """
    Write what the process's reporter counted. ``db`` acts as Role.APP or Role.IDENTITY.

    Never raises for an outage: what could not be written waits, counted on. What the database does
    not take for another reason is lost, told to ``tell`` by the error's name, and counted into an
    ``events.lost``.
    """

    def __init__(
        self,
        db: Database,
        reporter: Reporter,
        monotonic: Callable[[], float],
        tell: Callable[[str], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._db = db
        self._reporter = reporter
        self._monotonic = monotonic
        self._tell = tell
        self._interval_s = interval_s
        self._lost = 0

    async def run(self) -> None:
        """Write round by round until cancelled; then once more, for at most a second."""
        try:
            ends_at = self._monotonic() + self._interval_s
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                over = self._monotonic() >= ends_at
                if over:
                    ends_at = self._monotonic() + self._interval_s
                await self.write(everything=over)
        finally:
            await self._write_the_rest()

    async def write(self, *, everything: bool) -> bool:
        """Write what is new, or all that waits; return whether that could be done."""
        waiting = self._reporter.take_all() if everything else self._reporter.take_new()
        lost_too = everything and self._lost > 0
        if not waiting and not lost_too:
            return True
        try:
            async with self._db.transaction() as connection:
                for each in waiting:
                    await store.record(connection, each.told())
                if lost_too:
                    await store.record(connection, lost(self._lost))
        except Unavailable:
            self._reporter.put_back(waiting)
            return False
        except psycopg.Error as error:
            # A fault of ours (schema, grants): it would fail again, for ever.
            self._lost += _times(waiting)
            self._tell(type(error).__name__)
            return False
        self._lost = 0 if lost_too else self._lost
        return True

    async def _write_the_rest(self) -> None:
        try:
            async with asyncio.timeout(_LAST_WRITE_S):
                await self.write(everything=True)
        except TimeoutError:
            return  # as if the process had been killed: the last interval is gone


def _times(tallies: tuple[Tally, ...]) -> int:
    return sum(each.times for each in tallies)
