"""The drain: takes every process's journal to PostgreSQL, then gives the disk back."""

import asyncio
import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.ids import unix_ms_of
from meterr.ledger.cost import Pricer
from meterr.ledger.journal import folder, store
from meterr.ledger.journal.estimate import Pricing
from meterr.ledger.journal.record import Rejected, frame
from meterr.ledger.journal.report import DrainReport, DrainState, Notice
from meterr.ledger.journal.rows import copy_row
from meterr.ledger.journal.tail import Portion, Tail
from meterr.ledger.model import Price, PriceDefined, Settled

POLL_S = 0.1  # an idle drain looks ten times a second: a directory listing and a byte per process
BACKOFF_S_MAX = 5.0
# Only days this near get a partition of their own; a wild clock fills the default one.
PARTITION_DAYS_BACK = 35
PARTITION_DAYS_AHEAD = 2
PARTITION_RETRY_S = 60.0
_MS_PER_DAY = 86_400_000

# PostgreSQL judged the row itself: trying it again would fail again.
_ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError)

Tell = Callable[[Notice, dict[str, str | int]], None]


class AnotherDrain(Unavailable):
    """Another process drains this root; it is left to do so."""

    code = "journal-drained-elsewhere"


class Drain:
    """
    Move journal records under ``root`` into the ledger: each call once, whatever is killed when.

    One at a time per root, held by a lock that dies with its process. ``db`` acts as Role.DRAIN.
    ``tell`` hears what a person must know (see ``Notice``); no record content but ids reaches it.
    What is read and not yet committed is at most one portion per process folder.
    """

    def __init__(self, root: Path, db: Database, clock: Clock, tell: Tell) -> None:
        self.report = DrainReport()
        self._root = root
        self._db = db
        self._clock = clock
        self._tell = tell
        self._lock: int | None = None
        self._tails: dict[Path, Tail] = {}
        self._waiting: dict[Path, Portion] = {}  # read, not yet committed
        self._ask_for_day_at: dict[date, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """
        Drain until ``stop`` is set, then once more, and let go.

        Never raises for an outage or a full disk: says so in ``report`` and by ``tell``, waits and
        goes on.
        """
        delay = POLL_S
        try:
            while not stop.is_set():
                delay = POLL_S if await self._attempt() else min(delay * 2, BACKOFF_S_MAX)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), delay)
            await self._attempt()
        finally:
            self.close()

    async def drain_once(self) -> int:
        """
        Commit everything that is in the journals now; return how many rows were new.

        Raises:
            AnotherDrain: This root is being drained by another process.
            DatabaseUnavailable: Nothing is lost; call again.
            psycopg.Error: The database refuses for a reason that is not in a row (rights, schema).
            OSError: A journal file cannot be read or given back.
        """
        self._take_lock()
        before = self.report.rows
        waiting = folder.process_folders(self._root)
        failures: list[OSError] = []
        while waiting:
            waiting = [path for path in waiting if await self._advance(path, failures)]
        if failures:
            raise failures[0]
        self._look_behind(DrainState.CAUGHT_UP)
        return self.report.rows - before

    def close(self) -> None:
        """Let go of the root and of all adopted folders; what was not committed stays on disk."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
        self._waiting.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _attempt(self) -> bool:
        try:
            await self.drain_once()
        except AnotherDrain:
            self.report = replace(self.report, state=DrainState.WAITING, trouble="")
            return True
        except (Unavailable, psycopg.Error, OSError) as error:
            trouble = getattr(error, "private", "") or f"{type(error).__name__}: {error}"
            if trouble != self.report.trouble:
                self._tell(Notice.STUCK, {"reason": trouble})
            self.report = replace(self.report, trouble=trouble)
            self._look_behind(DrainState.STUCK)
            return False
        self.report = replace(self.report, trouble="")
        return True

    def _take_lock(self) -> None:
        if self._lock is None:
            self._lock = folder.lock_drain(self._root)
        if self._lock is None:
            raise AnotherDrain("Another process drains this journal.")

    async def _advance(self, path: Path, failures: list[OSError]) -> bool:
        """Move one portion of one process; return whether more of it waits, and could be moved."""
        try:
            return await self._move(path)
        except OSError as error:  # a file of this process fails: that must not hold up the others
            failures.append(error)
            return False

    async def _move(self, path: Path) -> bool:
        tail = self._tails.get(path)
        if tail is None:
            if folder.clear_if_empty(path):
                return False
            tail = self._tails[path] = Tail(path, _pricing_of)
        portion = self._waiting.get(path)
        if portion is None:
            portion = self._waiting[path] = tail.read()
            self._mention_damage(portion)
        await self._commit(path, portion)
        tail.release(portion)
        del self._waiting[path]
        if portion.last:
            del self._tails[path]
        return portion.more

    async def _commit(self, path: Path, portion: Portion) -> None:
        """Bring one portion into PostgreSQL, in one transaction when no row is at fault."""
        if not portion.settled and not portion.prices:
            return
        entries = self._datable(path, portion.settled)
        await self._ensure_partitions(entries)
        try:
            new = await self._insert(entries, portion.prices.values())
        except _ROW_FAULTS:
            new, entries = await self._insert_piecewise(path, entries, portion.prices.values())
        self.report = replace(
            self.report,
            rows=self.report.rows + new,
            duplicates=self.report.duplicates + len(entries) - new,
            interrupted=self.report.interrupted + portion.interrupted,
        )

    async def _insert(self, entries: Sequence[Settled], prices: Iterable[Price]) -> int:
        async with self._db.transaction() as connection:
            await store.append_prices(connection, prices)  # before the rows that name them
            if not entries:
                return 0
            block = "".join(map(copy_row, entries)).encode()
            return await store.append_entries(connection, block)

    async def _insert_piecewise(
        self, path: Path, entries: Sequence[Settled], prices: Iterable[Price]
    ) -> tuple[int, list[Settled]]:
        """Find the records at fault by halving; set them aside, insert all others."""
        for price in prices:
            try:
                await self._insert((), [price])
            except _ROW_FAULTS as error:
                self._reject(path, PriceDefined(price), price.id, str(error))
        new = 0
        accepted: list[Settled] = []
        parts = [list(entries)]
        while parts:
            part = parts.pop()
            try:
                new += await self._insert(part, ())
                accepted += part
            except _ROW_FAULTS as error:
                if len(part) == 1:
                    self._reject(path, part[0], part[0].id, str(error))
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
        return new, accepted

    def _datable(self, path: Path, entries: Iterable[Settled]) -> list[Settled]:
        """Set entries aside whose id holds no time: they have no place in the ledger."""
        datable = []
        for entry in entries:
            try:
                unix_ms_of(entry.id)
            except ValueError:
                self._reject(path, entry, entry.id, "the id is no UUIDv7")
            else:
                datable.append(entry)
        return datable

    def _reject(self, path: Path, record: Settled | PriceDefined, name: str, reason: str) -> None:
        """Keep what PostgreSQL refused, with its words; it may be kept twice after a kill."""
        place = self._root / folder.REJECTED
        place.mkdir(mode=0o700, exist_ok=True)
        file = place / (path.name + folder.SUFFIX)
        with file.open("ab") as lines:
            lines.write(frame(Rejected(reason, record)))
            lines.flush()
            os.fsync(lines.fileno())
        folder.sync_directory(place)
        self.report = replace(self.report, rejected=self.report.rejected + 1)
        self._tell(Notice.REJECTED, {"file": str(file), "id": name, "reason": _first_line(reason)})

    async def _ensure_partitions(self, entries: Iterable[Settled]) -> None:
        """Make the partitions these entries and tomorrow need; the default one takes the rest."""
        today = datetime.fromtimestamp(self._clock.unix_ms() // 1000, UTC).date()
        epoch_day = date(1970, 1, 1).toordinal()
        first = today.toordinal() - PARTITION_DAYS_BACK - epoch_day
        last = today.toordinal() + PARTITION_DAYS_AHEAD - epoch_day
        numbers = {unix_ms_of(entry.id) // _MS_PER_DAY for entry in entries}
        days = {date.fromordinal(n + epoch_day) for n in numbers if first <= n <= last}
        days |= {today, today + timedelta(days=1)}
        now_s = self._clock.monotonic()
        for day in sorted(days):
            if now_s < self._ask_for_day_at.get(day, now_s):
                continue
            try:
                async with self._db.transaction() as connection:
                    await store.ensure_partition(connection, day)
            except psycopg.Error as error:
                reason = _first_line(str(error))
                self._tell(Notice.PARTITION, {"day": day.isoformat(), "reason": reason})
                self._ask_for_day_at[day] = now_s + PARTITION_RETRY_S
            else:
                self._ask_for_day_at[day] = math.inf

    def _mention_damage(self, portion: Portion) -> None:
        for damage in portion.damages:
            self._tell(
                Notice.DAMAGED,
                {
                    "file": damage.file,
                    "offset": damage.offset,
                    "size": damage.size,
                    "reason": damage.reason,
                },
            )
        damaged = self.report.damaged + len(portion.damages)
        self.report = replace(self.report, damaged=damaged)

    def _look_behind(self, state: DrainState) -> None:
        waiting = [entry.id for portion in self._waiting.values() for entry in portion.settled[:1]]
        behind = sum(portion.bytes for portion in self._waiting.values())
        behind += sum(tail.left for tail in self._tails.values())
        if state is not DrainState.CAUGHT_UP:
            behind += sum(tail.bytes_ahead() for tail in self._tails.values())
        self.report = replace(
            self.report,
            state=state,
            open_calls=sum(len(tail.open) for tail in self._tails.values()),
            bytes_behind=behind,
            oldest_unix_ms=min(map(_time_or_zero, waiting), default=None),
        )


def _pricing_of(price: Price) -> Pricing | None:
    """Return the pricing of a definition, or None when its rates cannot be priced."""
    try:
        return Pricer(price)
    except ValueError:
        return None


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _time_or_zero(call_id: str) -> int:
    try:
        return unix_ms_of(call_id)
    except ValueError:
        return 0
