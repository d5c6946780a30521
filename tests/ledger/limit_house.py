"""Several limiters, each with sessions of its own, on one real database; and what it says."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg

from meterr.core.clock import Clock
from meterr.core.db import Database, Role
from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.core.principal import Principal, UnknownPrice
from meterr.ledger.limits import Limiter, NewLimit, OnOutage, set_limit

START_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z, a Sunday


@dataclass
class FakeClock:
    """Both clocks, moved by hand together."""

    now_ms: int = START_MS
    seconds: float = 1000.0

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.now_ms += int(seconds * 1000)


@dataclass
class House:
    """One tenant, its rules and the processes that hold calls to them."""

    dsn: str
    admin_dsn: str
    clock: FakeClock = field(default_factory=FakeClock)
    tenant: str = field(default_factory=lambda: str(uuid.uuid4()))

    def settle_in(self) -> None:
        """Make the tenant."""
        self.admin("insert into meterr.tenant (tenant_id, name) values (%s, 'acme')", self.tenant)

    def principal(self, time_zone: str = "UTC") -> Principal:
        return Principal(
            tenant_id=self.tenant,
            key_id=str(uuid.uuid4()),
            scopes=frozenset(),
            models=None,
            unknown_price=UnknownPrice.REFUSE,
            time_zone=time_zone,
        )

    @asynccontextmanager
    async def database(self, role: Role = Role.APP) -> AsyncIterator[Database]:
        async with Database.open(self.dsn, role) as db:
            yield db

    async def rule(self, measure: Measure, amount: str, span: Span, *, hard: bool = True) -> Limit:
        """Set a limit of the tenant and return it as a key would carry it."""
        new = NewLimit(measure, Holder.TENANT, span, amount, hard=hard)
        async with self.database() as db:
            stored = await set_limit(db, self.clock, self.tenant, new)
        return Limit(stored.limit_id, measure, Holder.TENANT, span, stored.amount, hard=stored.hard)

    @asynccontextmanager
    async def limiters(
        self, number: int = 1, clock: Clock | None = None
    ) -> AsyncIterator[list[Limiter]]:
        """Yield limiters of so many processes, each with its own pool of sessions."""
        async with AsyncExitStack() as stack:
            made = []
            for _ in range(number):
                db = await stack.enter_async_context(self.database())
                process = str(uuid.uuid4())
                made.append(Limiter(db, process, clock or self.clock, on_outage=OnOutage.REFUSE))
            yield made

    def admin(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement as superuser; return its rows."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def taken(self, limit: Limit) -> Decimal:
        """Return what is taken of all windows of a rule."""
        rows = self.admin(
            "select coalesce(sum(taken), 0) from meterr.limit_pool where limit_id = %s",
            limit.limit_id,
        )
        return Decimal(str(rows[0][0]))

    def held(self, limit: Limit) -> Decimal:
        """Return what leases say they have of it."""
        rows = self.admin(
            "select coalesce(sum(granted - returned), 0) from meterr.limit_lease"
            " where limit_id = %s",
            limit.limit_id,
        )
        return Decimal(str(rows[0][0]))

    def let_in(self, sessions: int) -> None:
        """Let so many sessions in from now on, -1 for all, and end those there are."""
        name = self.admin("select current_database()")[0][0]
        self.admin(f'alter database "{name}" connection limit {sessions}')
        self.kill_sessions()

    def kill_sessions(self) -> int:
        """End every session that acts as meterr_app, in the middle of whatever it does."""
        rows = self.admin(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'meterr meterr_app' and datname = current_database()"
        )
        return len(rows)


async def until(condition, seconds: float = 10.0) -> None:
    """Wait until ``condition()`` holds; fail when it does not in time."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)
