"""Writing the diary down: every few seconds, in batches, away from every call."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.identity.deadline import within
from meterr.identity.keyring import Keyring
from meterr.identity.uses import store
from meterr.identity.uses.diary import Diary
from meterr.identity.uses.model import Page

WRITE_EVERY_S: Final = 5.0
BATCH_ROWS: Final = 1_000
_LAST_WRITE_S: Final = 1.0
_Row = TypeVar("_Row")


class DiaryKeeper:
    """
    Write down what the gateway process noted of its keys. ``db`` acts as Role.APP.

    Never raises for an outage: what could not be written waits for the next round. ``tell`` gets
    the name of any other error, once until a round succeeds.
    """

    def __init__(
        self,
        db: Database,
        keyring: Keyring,
        diary: Diary,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._db = db
        self._keyring = keyring
        self._diary = diary
        self._clock = clock
        self._tell = tell
        self._told = ""

    async def run(self) -> None:
        """Write every few seconds until cancelled; then once more, for at most a second."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                await self.write()
        finally:
            await self._write_the_rest()

    async def write(self) -> bool:
        """Write what is due; return whether that could be done."""
        return await self._write(self._diary.take(self._clock.unix_ms()))

    async def _write_the_rest(self) -> None:
        page = self._diary.take_all(self._clock.unix_ms())
        try:
            await within(_LAST_WRITE_S, self._write(page))
        except TimeoutError:
            return  # people see these uses a little older; the stop does not wait for that

    async def _write(self, page: Page) -> bool:
        try:
            await self._put_down(page)
        except Unavailable:
            self._diary.put_back(page)
            return False
        except psycopg.Error as error:
            # A fault of ours (schema, grants). The page is dropped: it would fail again, for ever.
            name = type(error).__name__
            if name != self._told:
                self._told = name
                self._tell(name)
            return False
        self._told = ""
        return True

    async def _put_down(self, page: Page) -> None:
        pepper = self._keyring.current.id
        async with self._db.session() as connection:
            for macs in _batches(list(page.macs.items())):
                await store.move_keys(connection, dict(macs), pepper)
            for uses in _batches(page.uses):
                await store.record_uses(connection, uses)
            for callers in _batches(page.callers):
                await store.record_callers(connection, callers)


def _batches(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    for at in range(0, len(rows), BATCH_ROWS):
        yield rows[at : at + BATCH_ROWS]
