"""A ledger of some days, a folder to export it to, and DuckDB to read it back."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from ledger_rows import entry, insert, make_partitions

from meterr.core.db import Database
from meterr.ledger import lake
from meterr.ledger.lake import DayReport, DayState
from meterr.ledger.model import Usage

ACME = str(uuid.UUID(int=1))
BOLT = str(uuid.UUID(int=2))
FIRST = date(2026, 11, 18)
DAYS = tuple(FIRST + timedelta(days=n) for n in range(3))
END = DAYS[-1] + timedelta(days=1)
NOW = datetime.combine(END, datetime.min.time(), UTC) + lake.SETTLING
CLASSES = Usage.__struct_fields__
# Exact in both: PostgreSQL sums numerics without a limit, DuckDB within 38 digits.
SUMS = ", ".join(["count(*)", "sum(cost_usd)", *(f"sum({name})" for name in CLASSES)])


def ms(day: date, offset_ms: int = 0) -> int:
    """Return the Unix milliseconds of a moment of that day."""
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1000) + offset_ms


@dataclass(frozen=True, slots=True)
class LakeHouse:
    """What a test of the export holds on to."""

    db: Database
    dsn: str
    admin_dsn: str
    root: Path

    def made(self, limits: lake.BatchLimits | None = None) -> lake.Lake:
        return lake.Lake(self.db, self.root, lake.parquet_format(), limits)

    async def export(
        self, tenants: Sequence[str] = (ACME, BOLT), one: str = lake.EVERY_TENANT, **period: date
    ) -> dict[date, DayReport]:
        wanted = lake.Wanted(period.get("since", FIRST), period.get("until", END), tenants, one)
        return {report.day: report for report in await self.made().export(wanted, NOW)}

    async def check(
        self, tenants: Sequence[str] = (ACME, BOLT), one: str = lake.EVERY_TENANT
    ) -> dict[date, DayState]:
        wanted = lake.Wanted(FIRST, END, tenants, one)
        return {report.day: report.state for report in await self.made().check(wanted)}

    def add(self, *rows: dict[str, Any]) -> None:
        insert(self.dsn, rows)

    def fill(self) -> None:
        """Three days with a partition each: two tenants, two models, a call without a cost."""
        make_partitions(self.dsn, DAYS[0], DAYS[-1])
        for number, day in enumerate(DAYS):
            self.add(
                entry(ACME, ms(day), number, cost_usd="0.000000000000000001"),
                entry(ACME, ms(day, 5), number, model="gpt-5.4", reasoning=7, cost_usd="1.5"),
                entry(BOLT, ms(day, 86_399_999), number, cost_usd=None, web_search=number),
            )

    def files(self) -> list[str]:
        """Every file under the folder that a reader of a lake would find."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob("**/*.parquet"))

    def in_database(self, by: str = "tenant_id::text, model") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.admin_dsn) as conn:
            return conn.execute(_grouped("meterr.ledger_entry", by)).fetchall()  # type: ignore[call-overload]  # a statement that is put together

    def in_lake(self, by: str = "tenant_id, model") -> list[tuple[Any, ...]]:
        return self.ask(_grouped("lake", by))

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask DuckDB about ``lake``, which is the folder as documented."""
        with duckdb.connect() as connection:
            files = self.root / "*" / "*.parquet"
            connection.execute(f"CREATE VIEW lake AS FROM read_parquet('{files}')")
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(question).fetchall()


def _grouped(table: str, by: str) -> str:
    return f"SELECT {by}, {SUMS} FROM {table} GROUP BY {by} ORDER BY {by}"
