"""Bring records into PostgreSQL, whatever it thinks of some of them."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.core.ids import unix_ms_of
from meterr.ledger.journal import store
from meterr.ledger.journal.repair import cleaned
from meterr.ledger.journal.report import Notice, Tell, first_line
from meterr.ledger.journal.rows import copy_row
from meterr.ledger.model import Price, PriceDefined, Settled

# Only days this near get a partition of their own; a wild clock fills the default one.
PARTITION_DAYS_BACK = 35
PARTITION_DAYS_AHEAD = 2
PARTITION_RETRY_S = 60.0
_MS_PER_DAY = 86_400_000

# PostgreSQL judged the row itself: trying it again would fail again.
_ROW_FAULTS = (psycopg.DataError, psycopg.IntegrityError)


@dataclass(slots=True)
class Inserted:
    """What became of the records; each of ``cleaned`` and ``refused`` with PostgreSQL's words."""

    new: int = 0
    duplicates: int = 0
    cleaned: list[tuple[Settled, str]] = field(default_factory=list)  # as they were before
    refused: list[tuple[Settled | PriceDefined, str]] = field(default_factory=list)

    def count(self, new: int, given: int) -> None:
        """Add rows that PostgreSQL took, ``new`` of them for the first time."""
        self.new += new
        self.duplicates += given - new


class Insertion:
    """The way into the ledger: idempotent, and no record holds up another."""

    def __init__(self, db: Database, clock: Clock, tell: Tell) -> None:
        self._db = db
        self._clock = clock
        self._tell = tell
        self._ask_for_day_at: dict[date, float] = {}

    async def insert(self, entries: Iterable[Settled], prices: Collection[Price]) -> Inserted:
        """
        Insert everything, in one transaction when no record is at fault.

        An entry that PostgreSQL refuses is tried once more in its ``cleaned`` form.

        Raises:
            DatabaseUnavailable: Some of it may be in; insert all of it again.
            psycopg.Error: PostgreSQL refuses for a reason that is not in a record.
        """
        done = Inserted()
        datable = _datable(entries, done)
        if not datable and not prices:
            return done
        await self._ensure_partitions(datable)
        try:
            done.count(await self._append(datable, prices), len(datable))
        except _ROW_FAULTS:
            await self._insert_prices_singly(prices, done)
            await self._insert_by_halves(datable, done)
        return done

    async def close(self, process: str) -> None:
        """
        Say that everything a dead process spent is in; its leases come back.

        Raises DatabaseUnavailable or psycopg.Error; say it again then.
        """
        async with self._db.transaction() as connection:
            await store.close_process(connection, process)

    async def _append(self, entries: Sequence[Settled], prices: Collection[Price]) -> int:
        try:
            return await self._append_once(entries, prices)
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name is not None:
                raise
            # Only bounds of partitions have no name: another session made the day's own while a row
            # waited for the lock of the default one. The row is not at fault, and fits there now.
            return await self._append_once(entries, prices)

    async def _append_once(self, entries: Sequence[Settled], prices: Collection[Price]) -> int:
        async with self._db.transaction() as connection:
            await store.append_prices(connection, prices)  # before the rows that name them
            if not entries:
                return 0
            block = "".join(map(copy_row, entries)).encode()
            return await store.append_entries(connection, block)

    async def _insert_prices_singly(self, prices: Iterable[Price], done: Inserted) -> None:
        for price in prices:
            try:
                await self._append((), [price])
            except _ROW_FAULTS as error:
                done.refused.append((PriceDefined(price), str(error)))

    async def _insert_by_halves(self, entries: Sequence[Settled], done: Inserted) -> None:
        """Find the entries at fault by halving, and insert all others."""
        parts = [entries]
        while parts:
            part = parts.pop()
            try:
                done.count(await self._append(part, ()), len(part))
            except _ROW_FAULTS as error:
                if len(part) == 1:
                    await self._insert_cleaned(part[0], str(error), done)
                else:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]

    async def _insert_cleaned(self, entry: Settled, reason: str, done: Inserted) -> None:
        try:
            done.count(await self._append([cleaned(entry)], ()), 1)
            done.cleaned.append((entry, reason))
        except _ROW_FAULTS:
            done.refused.append((entry, reason))

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
                reason = first_line(str(error))
                self._tell(Notice.PARTITION, {"day": day.isoformat(), "reason": reason})
                self._ask_for_day_at[day] = now_s + PARTITION_RETRY_S
            else:
                self._ask_for_day_at[day] = math.inf


def _datable(entries: Iterable[Settled], done: Inserted) -> list[Settled]:
    """Refuse entries whose id holds no time: they have no place in the ledger."""
    datable = []
    for entry in entries:
        try:
            unix_ms_of(entry.id)
        except ValueError:
            done.refused.append((entry, "the id is no UUIDv7"))
        else:
            datable.append(entry)
    return datable
