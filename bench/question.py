"""What meterr adds to a question whose SQL is ready: login, session, guard and gate."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import psycopg
from psycopg.conninfo import make_conninfo

from bench.history import copy_days
from bench.measure import say
from bench.meterr_process import open_folder
from bench.tools import BenchError
from meterr import identity
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.migrate import migrate
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.query_settings import QuerySettings
from meterr.core.sql import load_sql
from meterr.query.run import IdleSessions, Limits, LoginSessions, Runner, UsageSource
from meterr.query.walls import TenantLogins, harden

_SQL = load_sql("bench")
_TENANTS = 20
_DAYS = 30
_ROUNDS, _WARMING = 100, 5
_ASKED = """
select model, count(*) as calls, sum(cost_usd) as usd, sum(input_tokens) as tokens
  from calls
 group by model
 order by usd desc
"""


@dataclass(frozen=True)
class QuestionCost:
    """One question over all of a tenant's calls, by the tenant's own login and by the runner."""

    rows: int
    rows_of_tenant: int
    raw_p50_ms: float
    asked_p50_ms: float
    added_p50_ms: float  # of the pairs, neighbours in time
    added_p95_ms: float


def question_cost(*, rows: int) -> QuestionCost:
    """
    Fill the ledger of a database of its own for 20 tenants, and ask as one that has few rows.

    Nothing runs beside it: the mock of the others never sleeps.
    """
    with open_folder() as folder, EmbeddedPostgres(folder) as server:
        asyncio.run(migrate(server.dsn))
        asyncio.run(harden(server.database_admin_dsn, apply=True))
        found = asyncio.run(_question_cost(server.dsn, rows))
    say(
        f"question     {found.rows_of_tenant:,} of {rows:,} entries: raw p50 "
        f"{found.raw_p50_ms:.1f} ms, asked p50 {found.asked_p50_ms:.1f} ms; added p50 "
        f"{found.added_p50_ms:.1f} ms, p95 {found.added_p95_ms:.1f} ms"
    )
    return found


async def _question_cost(dsn: str, rows: int) -> QuestionCost:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database.open(dsn, Role.APP))
        ids = IdFactory(clock)
        made = [await identity.create_tenant(db, ids, f"asks {n}") for n in range(_TENANTS)]
        tenants = [each.tenant_id for each in made]
        today = datetime.now(UTC).date()
        days = [today - timedelta(days=n) for n in range(1, _DAYS + 1)]
        await copy_days(dsn, days, rows // _DAYS, tenants)
        async with (
            Database.open(dsn, Role.MIGRATE, statement_timeout_s=600) as owner,
            owner.session() as connection,
        ):
            await connection.execute(_SQL["analyze_entries"])
        data_keys = DataKeys(KeyEncryptionKeys(mint("bench", os.urandom)), clock)
        logins = TenantLogins(db, data_keys, os.urandom)
        login = await logins.login_of(tenants[-1])
        password = login.password.get_secret_value()
        named = make_conninfo(dsn, user=login.role_name, password=password)
        opening = await psycopg.AsyncConnection.connect(named, autocommit=True)
        warm = await stack.enter_async_context(opening)
        limits = Limits()
        idle = stack.enter_context(closing(IdleSessions(QuerySettings().session_kept_s)))
        sessions = LoginSessions(dsn, logins, limits, idle)
        runner = Runner(await UsageSource.read(db), sessions, limits)

        async def raw() -> int:
            cursor = await warm.execute(_ASKED)
            return sum(int(str(row[1])) for row in await cursor.fetchall())

        async def asked() -> int:
            answer = await runner.run(tenants[-1], _ASKED)
            return sum(int(str(row[1])) for row in answer.rows)

        return _judged(rows, *await _in_turns(raw, asked))


async def _in_turns(
    raw: Callable[[], Awaitable[int]], asked: Callable[[], Awaitable[int]]
) -> tuple[int, list[tuple[float, float]]]:
    """Return how many entries were counted, and the milliseconds of each pair."""
    pairs = []
    for _ in range(_WARMING + _ROUNDS):
        plain_ms, counted = await _timed(raw)
        ours_ms, also = await _timed(asked)
        if counted != also or not counted:
            raise BenchError(f"the question counted {also} entries and the login {counted}")
        pairs.append((plain_ms, ours_ms))
    return counted, pairs[_WARMING:]


async def _timed(ask: Callable[[], Awaitable[int]]) -> tuple[float, int]:
    started = time.perf_counter()
    counted = await ask()
    return (time.perf_counter() - started) * 1000, counted


def _judged(rows: int, counted: int, pairs: list[tuple[float, float]]) -> QuestionCost:
    added = sorted(ours - plain for plain, ours in pairs)
    return QuestionCost(
        rows,
        counted,
        median(plain for plain, _ in pairs),
        median(ours for _, ours in pairs),
        median(added),
        added[len(added) * 95 // 100],
    )
