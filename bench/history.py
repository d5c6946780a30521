"""A ledger of millions: made by COPY, asked as `meterr usage` asks, and a day of it dropped."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString
from uuid import UUID

from bench.measure import say
from bench.tools import BenchError
from meterr.core.db import Connection, Database, Role
from meterr.core.sql import load_sql
from meterr.ledger import Dimension, usage
from meterr.ledger.rollups import RollupWriter

_SQL = load_sql("bench")
_DAYS = 30
_TENANTS = 4
_KEYS = 100
_MODELS = ("gpt-5.4", "gpt-5.4-mini", "claude-opus-5", "claude-sonnet-5", "kimi-k3")
_ASKED = 40
_BLOCK_ROWS = 5_000
_DROPPED_DAYS_AGO = 80  # older than anything that retention may not drop
_DAY_MS = 86_400_000
_TURN_S = 0.2
_TURNS = 20


@dataclass(frozen=True)
class History:
    """What a large ledger costs to read and to shorten. The first tenant has half of the rows."""

    rows: int
    copied_s: float
    rolled_up_s: float
    hours: int  # of a tenant each
    usage_p50_ms: float
    usage_p95_ms: float
    groups: int
    raw_ms: float  # the same question while every hour is due: what it cost without rollups
    dropped_rows: int
    drop_ms: float


def history(dsn: str, *, rows: int) -> History:
    """Fill the deployment's ledger with the entries of 30 days, ask it, and drop an older day."""
    return asyncio.run(_history(dsn, rows))


async def _history(dsn: str, rows: int) -> History:
    today = datetime.now(UTC).date()
    dropped = today - timedelta(days=_DROPPED_DAYS_AGO)
    days = [*(today - timedelta(days=n) for n in range(_DAYS)), dropped]
    tenants = [str(UUID(int=0xBE7C << 64 | n)) for n in range(_TENANTS)]
    copied_s = await copy_days(dsn, days, rows // _DAYS, tenants)
    await _mark_days(dsn, days, tenants)
    async with Database.open(dsn, Role.APP, statement_timeout_s=600) as db:
        hours = await _due(db, tenants)
        raw_ms = (await _ask(db, tenants[0], 1))[0]
        rolled_up_s = await _roll_up(dsn, db, tenants)
        say(f"usage        {hours:,} hours rolled up in {rolled_up_s:.0f} s")
        asked = sorted(await _ask(db, tenants[0], _ASKED))
        groups = await _groups(db, tenants[0])
    drop_ms = await _drop(dsn, dropped)
    found = History(
        rows, copied_s, rolled_up_s, hours, asked[len(asked) // 2], asked[int(len(asked) * 0.95)],
        groups, raw_ms, rows // _DAYS, drop_ms,
    )  # fmt: skip
    say(
        f"usage        {rows:,} entries: p50 {found.usage_p50_ms:.0f} ms, p95 "
        f"{found.usage_p95_ms:.0f} ms; unrolled {raw_ms:,.0f} ms; a day dropped in {drop_ms:.0f} ms"
    )
    return found


async def copy_days(dsn: str, days: Sequence[date], rows: int, tenants: Sequence[str]) -> float:
    """Copy straight into the partitions, as only the owner can; return the seconds."""
    started = time.perf_counter()
    async with Database.open(dsn, Role.DRAIN) as db:
        for day in days:
            async with db.transaction() as connection:
                await connection.execute(_SQL["ensure_partition"], {"day": day})
    async with Database.open(dsn, Role.MIGRATE, statement_timeout_s=600) as db:
        for day in days:
            async with db.transaction() as connection:
                await connection.execute(_of_day("open_partition", day))
                await _copy(connection, day, rows, tenants)
                await connection.execute(_of_day("close_partition", day))
            say(f"entries      {day} copied")
    return time.perf_counter() - started


async def _mark_days(dsn: str, days: Sequence[date], tenants: Sequence[str]) -> None:
    async with (
        Database.open(dsn, Role.MIGRATE) as db,
        db.transaction() as connection,
    ):
        for day in days:
            marked = {"tenants": list(tenants), "day": day}
            await connection.execute(_SQL["mark_day"], marked)


def _of_day(statement: str, day: date) -> LiteralString:
    """Return a statement about the partition of ``day``; no parameter can be a table's name."""
    return _SQL[statement].replace("{day}", format(day, "%Y%m%d"))


async def _copy(connection: Connection, day: date, rows: int, tenants: Sequence[str]) -> None:
    statement = _of_day("copy_entries", day)
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in _blocks(day, rows, tenants):
            await copy.write(block)


def _blocks(day: date, rows: int, tenants: Sequence[str]) -> Iterator[str]:
    """Yield rows in the order of their time: half of them the first tenant's, 100 keys each."""
    random_ = random.Random(day.toordinal())
    start_ms = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    shares = [tenants[0]] * (len(tenants) - 1) + list(tenants[1:])
    keys = [str(UUID(int=0x5EED << 64 | n)) for n in range(_KEYS)]
    block: list[str] = []
    for n in range(rows):
        at_ms = start_ms + n * _DAY_MS // rows
        digits = f"{at_ms:012x}"
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        spent = random_.randrange(1, 900_000)
        block.append(
            f"{random_.choice(shares)}\t{digits[:8]}-{digits[8:]}-7000-8000-{n:012x}\t{at}\t"
            f"{random_.choice(keys)}\topenai.chat\topenai\topenai\t{random_.choice(_MODELS)}\t"
            f"settled\t200\tcomplete\tt\t{spent // 7}\t{spent // 31}\t0.{spent:018d}\n"
        )
        if len(block) == _BLOCK_ROWS:
            yield "".join(block)
            block.clear()
    yield "".join(block)


async def _roll_up(dsn: str, db: Database, tenants: Sequence[str]) -> float:
    """Roll up beside the deployment's own writer; return the seconds until nothing was due."""
    started = time.perf_counter()
    async with Database.open(dsn, Role.DRAIN, statement_timeout_s=600) as drain:
        writer = RollupWriter(drain, _hear, retention_days=None)
        while await _due(db, tenants):
            if (await writer.round(datetime.now(UTC))).hours == 0:
                await asyncio.sleep(_TURN_S)
    return time.perf_counter() - started


async def _due(db: Database, tenants: Sequence[str]) -> int:
    """Return how many hours that are well over are due."""
    found = 0
    for tenant in tenants:
        async with db.tenant_transaction(tenant) as connection:
            row = await (await connection.execute(_SQL["due_hours"])).fetchone()
            found += int(str(row[0])) if row else 0
    return found


def _hear(notice: str, facts: object) -> None:
    say(f"{notice} {facts}")


async def _ask(db: Database, tenant: str, times: int) -> list[float]:
    """Return the milliseconds of `usage --by model,key --from 30d`, as often as asked."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        await _groups(db, tenant)
        found.append((time.perf_counter() - started) * 1000)
    return found


async def _groups(db: Database, tenant: str) -> int:
    now = datetime.now(UTC)
    by = (Dimension.MODEL, Dimension.KEY)
    report = await usage(db, tenant, by=by, since=now - timedelta(days=_DAYS), until=now)
    return len(report.rows)


async def _drop(dsn: str, day: date) -> float:
    """Return the milliseconds from the question to the commit that has dropped ``day``."""
    async with Database.open(dsn, Role.DRAIN) as db:
        for _ in range(_TURNS):
            started = time.perf_counter()
            async with db.transaction() as connection:
                parameters = {"before": day + timedelta(days=1)}
                cursor = await connection.execute(_SQL["drop_day"], parameters)
                row = await cursor.fetchone()
            if row is not None and row[0] == day:
                return (time.perf_counter() - started) * 1000
            await asyncio.sleep(_TURN_S)  # the deployment's own writer is at work
    raise BenchError(f"{day} was to be dropped, and was not")
