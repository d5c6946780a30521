"""
Reading keys from the database: many callers, one statement at a time.

Whoever asks joins the batch that starts next, never one already under way, so an answer is always
younger than its question. A flood of unknown but well-formed keys costs one connection, at most
``BATCH_MACS`` index look-ups per statement and a queue of named length; keys that were seen before
are asked for in a lane of their own and do not wait behind strangers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.identity import store
from meterr.identity.deadline import within
from meterr.identity.errors import KeyUnverifiable
from meterr.identity.model import VerifiedKey
from meterr.identity.snapshot import Snapshot

BATCH_MACS: Final = 256
BATCHES_WAITING_MAX: Final = 8
READ_TIMEOUT_S: Final = 1.0

Found = Mapping[bytes, VerifiedKey]


class _Batch:
    """MACs to ask for together, and the answer all of their askers wait for."""

    def __init__(self) -> None:
        self.macs: set[bytes] = set()
        self.answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()


class Lane:
    """One queue of look-ups, served one batch after the other."""

    def __init__(self, read: Callable[[Collection[bytes]], Awaitable[Found]]) -> None:
        self._read = read
        self._waiting: deque[_Batch] = deque()
        self._worker: asyncio.Task[None] | None = None

    def ask(self, macs: Collection[bytes]) -> asyncio.Future[Found]:
        """
        Queue a look-up and return the future of its batch: wait for it, do not cancel it.

        Raises KeyUnverifiable when too many wait already.
        """
        if not self._waiting or len(self._waiting[-1].macs) >= BATCH_MACS:
            if len(self._waiting) >= BATCHES_WAITING_MAX:
                raise KeyUnverifiable("too many key look-ups are waiting for the database")
            self._waiting.append(_Batch())
        batch = self._waiting[-1]
        batch.macs.update(macs)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._serve(), name="identity key look-ups")
        return batch.answer

    async def _serve(self) -> None:
        while self._waiting:
            batch = self._waiting.popleft()
            try:
                found = await self._read(batch.macs)
            # Whatever went wrong belongs to those who asked; the lane goes on with the next batch.
            except Exception as error:  # noqa: BLE001 - handed on, not swallowed
                batch.answer.set_exception(error)
                batch.answer.exception()
            except asyncio.CancelledError:
                batch.answer.cancel()
                raise
            else:
                batch.answer.set_result(found)


class Lookup:
    """Two lanes into one snapshot: for keys seen before and for strangers."""

    def __init__(self, db: Database, snapshot: Snapshot, clock: Clock) -> None:
        self._db = db
        self._snapshot = snapshot
        self._clock = clock
        self._seen = Lane(self._read)
        self._strangers = Lane(self._read)

    def ask(self, macs: Collection[bytes], *, is_stranger: bool = False) -> asyncio.Future[Found]:
        """
        Return the future rows of ``macs``; it fails with Unavailable or TimeoutError.

        With ``is_stranger`` they wait among keys that were never seen, whatever is known of them.
        """
        seen = not is_stranger and any(self._snapshot.get(mac) is not None for mac in macs)
        return (self._seen if seen else self._strangers).ask(macs)

    async def _read(self, macs: Collection[bytes]) -> Found:
        read = self._snapshot.begin_read(self._clock.monotonic())
        try:
            keys = await within(READ_TIMEOUT_S, self._select(list(macs)))
        # Cancelled or failed, the read is over and must not be waited for.
        except BaseException:
            self._snapshot.abandon_read(read)
            raise
        self._snapshot.finish_read(read, keys, macs)
        return {key.mac: key for key in keys}

    async def _select(self, macs: list[bytes]) -> list[VerifiedKey]:
        async with self._db.session() as connection:  # one round trip: it is one statement
            return await store.read_keys(connection, macs)
