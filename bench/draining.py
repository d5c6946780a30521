"""The journal's other end: how fast it reaches PostgreSQL, and whether all of it does."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.journal import CALL, PRICE, a_settled
from bench.measure import Bench, measure, say
from bench.meterr_process import open_folder
from bench.tools import BenchError, Traffic
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.sql import load_sql
from meterr.ledger.journal import Drain, Journal, Limits
from meterr.ledger.model import Opened

_SQL = load_sql("bench")
_OPEN_AT_ONCE = 64
_SETTLE_S = 60.0
_SAMPLE_S = 0.5


@dataclass(frozen=True)
class DrainRate:
    """A prepared backlog moved into PostgreSQL by one drain and one connection."""

    entries: int
    per_s: float


@dataclass(frozen=True)
class KeepingUp:
    """The gateway at full load with its drain and PostgreSQL beside it."""

    rps: float
    behind_half: int  # calls made and not yet in PostgreSQL, half-way
    behind_end: int  # the same when the load stopped
    backlog_mb: float  # of journal files at that moment, prepared segments included
    caught_up_s: float


@dataclass(frozen=True)
class Ledger:
    """Calls that the mock counted, and entries that PostgreSQL has."""

    asked: int
    entries: int


def drain_rate(bench: Bench, *, entries: int) -> DrainRate:
    """Write ``entries`` settled calls to a journal of their own and drain it."""
    with open_folder() as folder:
        _write_backlog(folder, entries)
        rate = asyncio.run(_drain(folder, bench.meterr.dsn))
    say(f"drain        {rate.entries:,} entries, {rate.per_s:,.0f}/s")
    if rate.entries != entries:
        raise BenchError(f"{entries} entries were written and {rate.entries} drained")
    return rate


def _write_backlog(folder: Path, entries: int) -> None:
    clock = SystemClock()
    ids = IdFactory(clock)
    journal = Journal.open(folder, clock=clock, ids=ids, limits=Limits(total_bytes_max=4 << 30))
    for first in range(0, entries, _OPEN_AT_ONCE):
        calls = [Opened(id=ids.new(), **CALL) for _ in range(min(_OPEN_AT_ONCE, entries - first))]
        for opened in calls:
            journal.opened(opened, PRICE)
        for opened in calls:
            journal.settled(a_settled(opened.id), PRICE)
    journal.close()


async def _drain(folder: Path, dsn: str) -> DrainRate:
    async with Database.open(dsn, Role.DRAIN) as db:
        drain = Drain(folder, db, SystemClock(), lambda notice, facts: say(f"{notice} {facts}"))
        started = time.perf_counter()
        rows = await drain.drain_once()
        passed = time.perf_counter() - started
        drain.close()
    return DrainRate(rows, rows / passed)


def count_entries(dsn: str) -> int:
    """Return how many calls the ledger holds, as the services see it: tenant by tenant."""

    async def counted() -> int:
        total = 0
        async with Database.open(dsn, Role.APP, pool_size_max=1) as db:
            async with db.transaction() as connection:
                tenants = await (await connection.execute(_SQL["tenants"])).fetchall()
            for (tenant,) in tenants:
                async with db.tenant_transaction(str(tenant)) as connection:
                    row = await (await connection.execute(_SQL["count_entries"])).fetchone()
                    total += int(str(row[0])) if row else 0
        return total

    return asyncio.run(counted())


def keeping_up(bench: Bench, *, seconds: float) -> KeepingUp:
    """Load the gateway as hard as it takes and watch how far PostgreSQL is behind."""
    settle(bench)
    base, before = bench.mock.counts().requests, count_entries(bench.meterr.dsn)

    def behind() -> int:
        return bench.mock.counts().requests - base - (count_entries(bench.meterr.dsn) - before)

    traffic = Traffic(bench.body(stream=False), 64, seconds, 0.5)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(measure, bench, bench.meterr.contender(), traffic)
        samples = _sampled(behind, running.done, seconds / 2)
        run = running.result()
    at_end, files = behind(), _bytes_under(bench.meterr.journal)
    caught_up_s = settle(bench)
    found = KeepingUp(run.load.rps, samples, at_end, files / 1e6, caught_up_s)
    say(
        f"keeping up   {found.rps:,.0f}/s, behind {found.behind_half:,} half-way and "
        f"{found.behind_end:,} at the end, all in {found.caught_up_s:.1f} s later"
    )
    return found


def _sampled(behind: Callable[[], int], over: Callable[[], bool], half_s: float) -> int:
    started = time.monotonic()
    found = 0
    while not over() and time.monotonic() - started < half_s:
        time.sleep(_SAMPLE_S)
        found = behind()
    return found


def _bytes_under(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.journal") if path.exists())


def settle(bench: Bench) -> float:
    """Wait until PostgreSQL has every call that the mock was asked for; return the seconds."""
    started = time.monotonic()
    while (entries := count_entries(bench.meterr.dsn)) != bench.meterr.asked:
        if time.monotonic() - started > _SETTLE_S:
            raise BenchError(
                f"the mock was asked {bench.meterr.asked} times, the ledger has {entries} entries"
            )
        time.sleep(0.05)
    return time.monotonic() - started


def ledger(bench: Bench) -> Ledger:
    """Compare what the mock counted with what the ledger holds, over everything that ran."""
    settle(bench)
    found = Ledger(bench.meterr.asked, count_entries(bench.meterr.dsn))
    say(f"ledger       {found.asked:,} calls at the mock, {found.entries:,} entries")
    return found
