"""The writer of rollups: sums hours that are over, makes partitions, drops days that expired."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar

import msgspec
import psycopg

from meterr.core.db import Connection, Database
from meterr.core.errors import Unavailable
from meterr.core.events import days as event_days
from meterr.ledger.rollups import store

ROUND_S = 30.0
SETTLE = timedelta(minutes=2)  # most calls of an hour have ended and arrived this long after it
PARTITION_DAYS_AHEAD = 2
RETENTION_DAYS_MIN = 62  # schema.sql refuses less: this month's budgets and last month's bill
LATE = timedelta(hours=2)  # many rounds after an hour ended: something keeps it from being summed
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Notice(StrEnum):
    """What a person must know of the upkeep."""

    DROPPED = "dropped"  # a day's entries are gone, as the settings ask
    EVENTS_DROPPED = "events_dropped"  # so are a day's security events
    FAILED = "failed"  # a step could not be done; it is tried again in the next round


_Done = TypeVar("_Done")
_DropDay = Callable[..., Awaitable[date | None]]
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
    ``retention_days`` None keeps every entry. The days of security events are kept up with those
    of the ledger: ``event_retention_days`` is how many stay.
    """

    def __init__(
        self,
        db: Database,
        tell: Tell,
        *,
        retention_days: int | None,
        event_retention_days: int | None = None,
    ) -> None:
        self._db = db
        self._tell = tell
        self._retention_days = retention_days
        self._event_retention_days = event_retention_days
        self._failed: set[str] = set()  # in this round
        self._told: set[str] = set()  # in the round before

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until ``stop`` is set. Never raises for an outage: says so once, and goes on."""
        while not stop.is_set():
            try:
                await self.round(datetime.fromtimestamp(await self._db.server_time_s(), UTC), stop)
            except Unavailable as error:
                self._report(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ROUND_S)

    async def round(self, now: datetime, stop: asyncio.Event | None = None) -> Round:
        """
        Do all that is to do at ``now``; ends early, between two steps, once ``stop`` is set.

        A step that fails keeps no other from being done: it is told, unless it was in the round
        before, and left to the next one.

        Raises:
            DatabaseUnavailable: What was done stays done; go round again.
        """
        stop = stop or asyncio.Event()
        self._told, self._failed = self._failed, set()
        # Days come also when no call does: the drain makes them only beside entries.
        last = now.date() + timedelta(days=PARTITION_DAYS_AHEAD)
        await self._attempt(partial(store.ensure_partitions, first=now.date(), last=last))
        await self._attempt(partial(event_days.ensure_days, first=now.date(), last=last))
        await self._attempt(store.thin_marks)
        hours = await self._roll_up(now - SETTLE, stop)
        today = now.date()
        await self._drop_expired(
            today, self._event_retention_days, event_days.drop_day, Notice.EVENTS_DROPPED, stop
        )
        dropped = await self._drop_expired(
            today, self._retention_days, store.drop_day, Notice.DROPPED, stop
        )
        return Round(hours, dropped)

    async def _roll_up(self, ended_by: datetime, stop: asyncio.Event) -> int:
        """Sum tenant by tenant, the oldest day first; return how many hours."""
        hours, day = 0, _BEGINNING
        while not stop.is_set():
            due = await self._attempt(partial(store.next_due_day, ended_by=ended_by, after=day))
            if due is None:
                break
            day = due.day
            for tenant in due.tenants:
                if stop.is_set():
                    break
                step = partial(store.roll_up, tenant=tenant, day=day, ended_by=ended_by)
                name = day.date().isoformat()
                hours += await self._attempt(step, tenant=tenant, day=name) or 0
        return hours

    async def _drop_expired(
        self, today: date, kept: int | None, drop: _DropDay, notice: Notice, stop: asyncio.Event
    ) -> tuple[date, ...]:
        dropped: list[date] = []
        while kept is not None and not stop.is_set():
            day = await self._attempt(partial(drop, before=today - timedelta(days=kept)))
            if day is None:
                break
            dropped.append(day)
            self._tell(notice, {"day": day.isoformat()})
        return tuple(dropped)

    async def _attempt(
        self, step: Callable[[Connection], Awaitable[_Done]], **where: str
    ) -> _Done | None:
        """Take a step in a transaction of its own; return None when it failed, and say so."""
        try:
            async with self._db.transaction() as connection:
                return await step(connection)
        except Unavailable as error:
            await self._db.server_time_s()  # raises, unless only this statement took too long
            self._report(error, **where)
        except psycopg.Error as error:
            self._report(error, **where)
        return None

    def _report(self, error: Exception, **where: str) -> None:
        reason = str(getattr(error, "private", "") or f"{type(error).__name__}: {error}")
        facts = {**where, "reason": reason.partition("\n")[0]}
        told = " ".join(facts.values())
        if told not in self._told | self._failed:
            self._tell(Notice.FAILED, facts)
        self._failed.add(told)


async def oldest_late_hour(db: Database, tenant: str) -> datetime | None:
    """
    Return a tenant's oldest hour that is not summed though it ended LATE ago; None when all are.

    Its figures are read from its entries meanwhile: exact, and slower. ``db`` acts as Role.APP.
    """
    async with db.tenant_transaction(tenant) as connection:
        return await store.oldest_late_hour(connection, tenant, LATE)
