"""The writer of rollups: sums hours that are over, makes partitions, drops days that expired."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec
import psycopg

from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.ledger.rollups import store

ROUND_S = 30.0
SETTLE = timedelta(minutes=2)  # most calls of an hour have ended and arrived this long after it
PARTITION_DAYS_AHEAD = 2
RETENTION_DAYS_MIN = 62  # schema.sql refuses less: this month's budgets and last month's bill


class Notice(StrEnum):
    """What a person must know of the upkeep."""

    DROPPED = "dropped"  # a day's entries are gone, as the settings ask
    FAILED = "failed"  # a step could not be done; it is tried again in the next round


Tell = Callable[[Notice, Mapping[str, str | int]], None]


class Round(msgspec.Struct, frozen=True):
    """What one round did."""

    hours: int = 0
    dropped: tuple[date, ...] = ()


class RollupWriter:
    """
    Keep rollups and partitions as they should be, round by round.

    Any number of hosts may run one: each step takes PostgreSQL's advisory lock for its transaction,
    and who does not get it has nothing to do. What is read stays exact without any writer, only
    slower. ``db`` acts as Role.DRAIN; an hour with millions of entries needs its statement timeout.
    ``retention_days`` None keeps every entry.
    """

    def __init__(self, db: Database, tell: Tell, *, retention_days: int | None) -> None:
        self._db = db
        self._tell = tell
        self._retention_days = retention_days
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until ``stop`` is set. Never raises for an outage: says so once, and goes on."""
        while not stop.is_set():
            try:
                await self.round(datetime.fromtimestamp(await self._db.server_time_s(), UTC), stop)
                self._told = ""
            except (Unavailable, psycopg.Error) as error:
                self._report(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ROUND_S)

    async def round(self, now: datetime, stop: asyncio.Event | None = None) -> Round:
        """
        Do all that is to do at ``now``; ends early, between two steps, once ``stop`` is set.

        Raises:
            DatabaseUnavailable, psycopg.Error: What was done stays done; go round again.
        """
        await self._make_partitions(now.date())
        async with self._db.transaction() as connection:
            await store.thin_marks(connection)
        hours = 0
        while not (stop and stop.is_set()):
            async with self._db.transaction() as connection:
                rolled = await store.roll_up(connection, now - SETTLE)
            if rolled == 0:
                break
            hours += rolled
        return Round(hours, await self._drop_expired(now.date(), stop))

    async def _make_partitions(self, today: date) -> None:
        """Days come also when no call does: the drain makes them only beside entries."""
        try:
            async with self._db.transaction() as connection:
                last = today + timedelta(days=PARTITION_DAYS_AHEAD)
                await store.ensure_partitions(connection, today, last)
        except psycopg.errors.LockNotAvailable as error:
            self._report(error)  # somebody reads for long; the default partition takes what comes

    async def _drop_expired(self, today: date, stop: asyncio.Event | None) -> tuple[date, ...]:
        dropped: list[date] = []
        while self._retention_days is not None and not (stop and stop.is_set()):
            async with self._db.transaction() as connection:
                before = today - timedelta(days=self._retention_days)
                day = await store.drop_day(connection, before)
            if day is None:
                break
            dropped.append(day)
            self._tell(Notice.DROPPED, {"day": day.isoformat()})
        return tuple(dropped)

    def _report(self, error: Exception) -> None:
        reason = str(getattr(error, "private", "") or f"{type(error).__name__}: {error}")
        reason = reason.partition("\n")[0]
        if reason != self._told:
            self._tell(Notice.FAILED, {"reason": reason})
        self._told = reason
