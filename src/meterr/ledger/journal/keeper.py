"""The thread beside the journal: syncs writes, prepares the next segment, watches the age."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable

from meterr.core.clock import Clock
from meterr.ledger.journal.limits import Limits
from meterr.ledger.journal.space import Segment, sync_data

_QUIET_ROUNDS = 100  # rounds without a write before the thread sleeps until it is roused


class Keeper:
    """
    Group commit and preparation, off the event loop.

    The loop's thread writes ``written``, ``active`` and ``began``; only the keeper writes
    ``synced`` and ``failure``. ``attention`` asks the loop's thread to look: the sync failed, or
    the segment is old.
    """

    def __init__(
        self, make: Callable[[int], Segment], limits: Limits, clock: Clock, active: Segment
    ) -> None:
        self.written = 0  # bytes handed to the kernel since the journal was opened
        self.synced = 0  # of these, bytes known to be on the disk
        self.active = active
        self.began = clock.monotonic()
        self.asleep = False
        self.attention = False
        self.failure: OSError | None = None
        self._make = make
        self._limits = limits
        self._clock = clock
        self._next_number = active.number + 1
        self._ready: deque[Segment] = deque()
        self._retired: deque[Segment] = deque()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._making = threading.Lock()
        self._rousing = threading.Event()
        self._stopping = False
        self._may_prepare_at = 0.0
        self._thread = threading.Thread(target=self._run, name="meterr-journal", daemon=True)

    def start(self) -> None:
        """Begin keeping."""
        self._thread.start()

    def stop(self) -> list[Segment]:
        """Sync a last time and end; returns the prepared segments that nobody took."""
        self._stopping = True
        self._rousing.set()
        self._thread.join()
        self._sync()
        return list(self._ready)

    def rouse(self) -> None:
        """Wake the thread: after a write that found it asleep, or to sync now."""
        self.asleep = False
        self._rousing.set()

    def retire(self, old: Segment, active: Segment) -> None:
        """Tell that writing goes on in ``active``; ``old`` is synced a last time and closed."""
        self._retired.append(old)  # before ``active`` changes: see _sync
        self.active = active
        self.began = self._clock.monotonic()

    def take(self) -> Segment:
        """
        Return the next segment, in order; makes it here and now when none is prepared.

        Raises:
            OSError: There is no room for one.
        """
        with self._making:
            segment = self._ready.popleft() if self._ready else self._make_next()
        self.rouse()
        return segment

    def take_prepared(self) -> Segment | None:
        """Return the next segment if it is prepared."""
        return self.take() if self._ready else None

    async def synced_up_to(self, written: int) -> None:
        """Wait until the first ``written`` bytes are on disk; raises OSError when it cannot be."""
        if self.synced >= written:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((written, future))
        if self.failure is not None:  # looked at after joining the queue: nobody may answer it
            raise self.failure
        self.rouse()
        await future

    def _run(self) -> None:
        quiet = 0
        try:
            while not self._stopping:
                self._prepare()
                quiet = 0 if self._sync() else quiet + 1
                self._look_at_age()
                self._pause(quiet)
        # A thread that ends unseen would leave writes unsynced: whatever ended it stops new calls.
        except Exception as error:  # noqa: BLE001 (as the line above says)
            self._fail(OSError(f"the journal's keeper ended: {error!r}"))
            self._answer(self.written)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        self.attention = True

    def _pause(self, quiet: int) -> None:
        timeout: float | None = self._limits.sync_interval_s
        if quiet >= _QUIET_ROUNDS and self._ready:
            # Said before looking once more: a writer either sees the word or is seen here.
            self.asleep = True
            if self.written == self.synced and not self._waiting:
                timeout = None
        self._rousing.wait(timeout)
        self._rousing.clear()
        self.asleep = False

    def _sync(self) -> bool:
        """Return whether there was something to sync."""
        target = self.written
        if self.failure is not None:
            self._answer(target)
            return False
        if target == self.synced and not self._retired:
            self._answer(target)
            return False
        try:
            # The active one is read first: if it changes now, the one we hold is the one retired.
            sync_data(self.active.descriptor)
            while self._retired:
                old = self._retired[0]
                sync_data(old.descriptor)
                self._retired.popleft()
                os.close(old.descriptor)
            self.synced = target
        except OSError as error:
            # The kernel may have dropped the pages and call them clean from now on: no retry.
            self._fail(error)
        self._answer(target)
        return True

    def _answer(self, target: int) -> None:
        answered: list[asyncio.Future[None]] = []
        while self._waiting and (self.failure is not None or self._waiting[0][0] <= target):
            answered.append(self._waiting.popleft()[1])
        if not answered:
            return
        try:
            answered[0].get_loop().call_soon_threadsafe(_resolve, answered, self.failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _prepare(self) -> None:
        if self._ready or self._clock.monotonic() < self._may_prepare_at:
            return
        with self._making:
            try:
                self._ready.append(self._make_next())
            except OSError:
                # Told to a caller by the journal when it needs the room and meets the same error.
                self._may_prepare_at = self._clock.monotonic() + self._limits.retry_s

    def _make_next(self) -> Segment:
        segment = self._make(self._next_number)
        self._next_number += 1
        return segment

    def _look_at_age(self) -> None:
        if self._clock.monotonic() - self.began >= self._limits.segment_age_s:
            self.attention = True


def _resolve(futures: list[asyncio.Future[None]], failure: OSError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
