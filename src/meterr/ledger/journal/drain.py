"""The drain: takes every process's journal to PostgreSQL, then gives the disk back."""

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.ids import unix_ms_of
from meterr.ledger.cost import Pricer
from meterr.ledger.journal import folder, refused
from meterr.ledger.journal.estimate import Pricing
from meterr.ledger.journal.insertion import Inserted, Insertion
from meterr.ledger.journal.report import DrainReport, DrainState, Notice, Tell, first_line
from meterr.ledger.journal.tail import Portion, Tail
from meterr.ledger.model import Price, PriceDefined, Settled

POLL_S = 0.1  # an idle drain looks ten times a second: a directory listing and a byte per process
GATHER_S = 0.5  # under load: a transaction costs the same whether it brings 10 rows or 50
GATHER_ROWS = 10  # what one look finds under load; fewer are waited for by somebody who watches
BACKOFF_S_MAX = 5.0


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
        self._insertion = Insertion(db, clock, tell)
        self._tell = tell
        self._offered = False
        self._lock: int | None = None
        self._tails: dict[Path, Tail] = {}
        self._waiting: dict[Path, Portion] = {}  # read, not yet committed

    async def run(self, stop: asyncio.Event) -> None:
        """
        Drain until ``stop`` is set, then once more, and let go.

        Never raises for an outage or a full disk: says so in ``report`` and by ``tell``, waits and
        goes on.
        """
        delay = POLL_S
        try:
            while not stop.is_set():
                before = self.report.rows
                if await self._attempt():
                    delay = POLL_S if self.report.rows - before < GATHER_ROWS else GATHER_S
                else:
                    delay = min(delay * 2, BACKOFF_S_MAX)
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
        await self._offer_refused_again()
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
        if portion.last and tail.is_whole and not folder.set_aside(self._root, path.name):
            await self._insertion.close(path.name)  # before the folder goes: or nobody would
        tail.release(portion)
        del self._waiting[path]
        if portion.last:
            del self._tails[path]
        return portion.more

    async def _commit(self, path: Path, portion: Portion) -> None:
        """Bring one portion into PostgreSQL; asked again after a failure, it doubles nothing."""
        done = await self._insertion.insert(portion.settled, portion.prices.values())
        for record, reason in done.refused:
            self._reject(path, record, reason)
        self._count(done)
        interrupted = self.report.interrupted + portion.interrupted
        self.report = replace(self.report, interrupted=interrupted)

    async def _offer_refused_again(self) -> None:
        """Once in a drain's life: what could not go in before may go in now."""
        if not self._offered:
            self._count(await refused.insert_again(self._root, self._insertion))
            self._offered = True

    def _count(self, done: Inserted) -> None:
        for entry, reason in done.cleaned:
            self._tell(Notice.CLEANED, {"id": entry.id, "reason": first_line(reason)})
        self.report = replace(
            self.report,
            rows=self.report.rows + done.new,
            duplicates=self.report.duplicates + done.duplicates,
            cleaned=self.report.cleaned + len(done.cleaned),
        )

    def _reject(self, path: Path, record: Settled | PriceDefined, reason: str) -> None:
        """Keep what PostgreSQL refused, with its words; it may be kept twice after a kill."""
        file = refused.keep(self._root, path.name, record, reason)
        name = record.id if isinstance(record, Settled) else record.price.id
        self.report = replace(self.report, rejected=self.report.rejected + 1)
        self._tell(Notice.REJECTED, {"file": str(file), "id": name, "reason": first_line(reason)})

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


def _time_or_zero(call_id: str) -> int:
    try:
        return unix_ms_of(call_id)
    except ValueError:
        return 0
