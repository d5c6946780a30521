"""One journal root, one database, and the questions the drain's tests ask of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg
from journal_samples import new_ids

from meterr.core.clock import Clock, SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.ledger.journal import Drain, Journal, Limits, Notice

SMALL = Limits(segment_bytes=65_536)


@dataclass
class House:
    """Drives journal and drain, and reads the ledger as its superuser."""

    root: Path
    dsn: str
    admin_dsn: str
    clock: Clock = field(default_factory=SystemClock)
    ids: IdFactory = field(default_factory=new_ids)
    heard: list[tuple[Notice, dict[str, str | int]]] = field(default_factory=list)

    def journal(self, limits: Limits = SMALL) -> Journal:
        return Journal.open(self.root, clock=self.clock, ids=self.ids, limits=limits)

    @asynccontextmanager
    async def drain(self) -> AsyncIterator[Drain]:
        async with Database.open(self.dsn, Role.DRAIN) as db:
            drain = Drain(self.root, db, self.clock, self.hear)
            try:
                yield drain
            finally:
                drain.close()

    async def drained(self) -> Drain:
        """Drain all there is, once, with a drain of its own."""
        async with self.drain() as drain:
            await drain.drain_once()
            return drain

    def hear(self, notice: Notice, fields: dict[str, str | int]) -> None:
        self.heard.append((notice, fields))

    def admin(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement as superuser; return its rows."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def ledger(self, *columns: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.admin_dsn) as connection:
            rows = connection.execute(
                f"select {', '.join(columns)} from meterr.ledger_entry order by id"
            )
            return rows.fetchall()

    def states(self) -> dict[str, str]:
        """State of every entry by id; fails when one id has two entries."""
        rows = self.ledger("id::text", "state")
        states = {str(name): str(state) for name, state in rows}
        assert len(states) == len(rows), "an id has two entries"
        return states

    def cost(self) -> Decimal:
        with psycopg.connect(self.admin_dsn) as connection:
            row = connection.execute("select sum(cost_usd) from meterr.ledger_entry").fetchone()
        assert row is not None
        return Decimal(row[0])
