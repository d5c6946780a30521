"""One database with its writer of rollups, and the questions that tests ask of both."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import psycopg

from meterr.core.db import Database, Role
from meterr.ledger.rollups import Notice, RollupWriter, Round

MARKS = "SELECT DISTINCT hour FROM meterr.rollup_due ORDER BY hour"
MARK_ALL = """
    INSERT INTO meterr.rollup_due (tenant_id, hour)
    SELECT DISTINCT tenant_id, date_bin('1 hour', at, 'epoch') FROM meterr.ledger_entry
"""
LINES = "SELECT hour, sum(calls)::int FROM meterr.usage_hour GROUP BY hour ORDER BY hour"


@dataclass
class House:
    """Rolls up as the parent process does, and looks at the tables as superuser."""

    dsn: str
    admin_dsn: str
    heard: list[tuple[Notice, Mapping[str, str | int]]] = field(default_factory=list)

    @asynccontextmanager
    async def writer(
        self,
        retention_days: int | None = None,
        event_retention_days: int | None = None,
        **options: float,
    ) -> AsyncIterator[RollupWriter]:
        async with Database.open(self.dsn, Role.DRAIN, pool_size_max=1, **options) as db:
            yield RollupWriter(
                db,
                self.hear,
                retention_days=retention_days,
                event_retention_days=event_retention_days,
            )

    async def go_round(self, now: datetime, retention_days: int | None = None) -> Round:
        async with self.writer(retention_days) as writer:
            return await writer.round(now)

    def hear(self, notice: Notice, facts: Mapping[str, str | int]) -> None:
        self.heard.append((notice, facts))

    def ask(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.admin_dsn, options="-c timezone=UTC") as connection:
            return connection.execute(statement).fetchall()

    def tell(self, statement: str) -> None:
        with psycopg.connect(self.admin_dsn, options="-c timezone=UTC") as connection:
            connection.execute(statement)

    def due(self) -> list[datetime]:
        """Hours with a mark, whoever's."""
        return [hour for (hour,) in self.ask(MARKS)]

    def lines(self) -> dict[datetime, int]:
        """Calls of each hour by its lines, whoever's."""
        return dict(self.ask(LINES))

    def partitions(self) -> list[date]:
        """Days that have a partition of their own."""
        rows = self.ask(
            "SELECT right(c.relname, 8) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'meterr.ledger_entry'::regclass"
            " AND c.relname <> 'ledger_entry_default' ORDER BY 1"
        )
        return [date.fromisoformat(name) for (name,) in rows]
