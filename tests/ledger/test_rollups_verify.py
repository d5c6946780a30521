"""Verifying sums and budgets: a planted difference is found and named, a sound ledger has none."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from ledger_rows import entry, insert, make_partitions, make_tenant
from rollup_house import House

from meterr.core.db import Database, Role
from meterr.ledger import verify_ledger
from meterr.ledger.verify import Fault

TENANT = str(uuid.UUID(int=1))
LIMIT = str(uuid.UUID(int=7))
PROCESS = str(uuid.UUID(int=8))
START = datetime(2026, 10, 25, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000
FREE = {"cost_usd": None, "error": "price-unknown"}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


@pytest.fixture
async def house(database_url: str, admin_dsn: str) -> House:
    """Three hours of two days rolled up, and one that is due."""
    made = House(database_url, admin_dsn)
    make_partitions(database_url, START.date(), START.date() + timedelta(days=2))
    make_tenant(database_url, TENANT)
    rows = [entry(TENANT, START_MS + n * 6 * HOUR_MS, n, **FREE) for n in (0, 1, 4)]
    insert(database_url, rows)
    await made.go_round(START + timedelta(days=2))
    insert(database_url, [entry(TENANT, START_MS + 9 * HOUR_MS, 9, **FREE)])
    return made


async def faults(db: Database) -> list[tuple[Fault, str]]:
    report = await verify_ledger(db, [TENANT])
    return [(finding.fault, finding.entry) for finding in report.named]


class TestSums:
    async def test_sound_sums_have_no_fault(self, db: Database, house: House) -> None:
        """P7: every hour that is not due is compared; the due one has no sums to be wrong."""
        compared: list[int] = []
        report = await verify_ledger(db, [TENANT], on_hours=compared.append)
        assert ({}, False) == (report.counts, report.failed)
        assert [1, 2, 3, 4] == compared
        assert 4 == report.hours

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("UPDATE meterr.usage_hour SET input = input + 1 WHERE hour = '2026-10-25 06:00+00'",
             [(Fault.DAY_DIFFERS, "2026-10-25"), (Fault.ROLLUP_DIFFERS, "2026-10-25T06:00Z")]),
            ("UPDATE meterr.usage_hour SET model = 'x' WHERE hour = '2026-10-25 06:00+00'",
             [(Fault.DAY_DIFFERS, "2026-10-25"), (Fault.ROLLUP_DIFFERS, "2026-10-25T06:00Z")]),
            ("DELETE FROM meterr.usage_day WHERE day = '2026-10-26'",
             [(Fault.DAY_DIFFERS, "2026-10-26")]),
            ("UPDATE meterr.usage_day SET cost_usd = 0 WHERE day = '2026-10-26'",
             [(Fault.DAY_DIFFERS, "2026-10-26")]),
            ("DELETE FROM meterr.ledger_entry WHERE at = '2026-10-26 00:00+00'",
             [(Fault.ROLLUP_DIFFERS, "2026-10-26T00:00Z")]),
            ("UPDATE meterr.ledger_entry SET output = output - 1 WHERE at = '2026-10-26 00:00+00'",
             [(Fault.ROLLUP_DIFFERS, "2026-10-26T00:00Z")]),
            ("DELETE FROM meterr.rollup_due", [(Fault.ROLLUP_DIFFERS, "2026-10-25T09:00Z")]),
            ("DELETE FROM meterr.usage_hour WHERE hour = '2026-10-25 06:00+00'",
             [(Fault.DAY_DIFFERS, "2026-10-25"), (Fault.ROLLUP_DIFFERS, "2026-10-25T06:00Z")]),
        ],
    )  # fmt: skip
    async def test_a_difference_is_found_and_named(
        self, db: Database, house: House, statement: str, found: list[tuple[Fault, str]]
    ) -> None:
        """P7: any edit of a sum, and any loss of an entry under it, down to one token."""
        house.tell(statement)
        assert found == await faults(db)
        assert (await verify_ledger(db, [TENANT])).failed

    async def test_hours_whose_entries_were_dropped_are_not_compared(
        self, db: Database, house: House
    ) -> None:
        """Their sums are all there is; the day is still the sum of its hours."""
        house.tell("INSERT INTO meterr.dropped_day (day) VALUES ('2026-10-26')")
        house.tell("DELETE FROM meterr.ledger_entry WHERE at >= '2026-10-26'")
        assert [] == await faults(db)
        house.tell("UPDATE meterr.usage_hour SET input = 0 WHERE hour >= '2026-10-26'")
        assert [(Fault.DAY_DIFFERS, "2026-10-26")] == await faults(db)


async def test_everything_is_compared_as_of_one_moment(db: Database, house: House) -> None:
    """P7: calls, rounds and drops go on meanwhile; none of them looks like a difference."""
    statement = "SELECT count(*), (SELECT count(*) FROM meterr.rollup_due) FROM meterr.ledger_entry"
    async with db.tenant_transaction(TENANT, one_snapshot=True) as connection:
        before = await (await connection.execute(statement)).fetchone()
        insert(house.dsn, [entry(TENANT, START_MS + 7 * HOUR_MS, 7, **FREE)])
        await house.go_round(START + timedelta(days=2))
        assert before == await (await connection.execute(statement)).fetchone()
    async with db.tenant_transaction(TENANT) as connection:
        assert (5, 0) == await (await connection.execute(statement)).fetchone()


@pytest.fixture
def lease(house: House) -> int:
    """A budget of this month from which one process drew, and one entry that names its lease."""
    house.tell(
        "INSERT INTO meterr.limit_rule (tenant_id, limit_id, measure, scope, span, amount)"
        f" VALUES ('{TENANT}', '{LIMIT}', 'usd', 'tenant', 'month', 5)"
    )
    house.tell(
        "INSERT INTO meterr.limit_pool (tenant_id, limit_id, starts_at, taken)"
        f" VALUES ('{TENANT}', '{LIMIT}', '2026-10-01', 1)"
    )
    house.tell(
        "INSERT INTO meterr.limit_lease (tenant_id, limit_id, starts_at, process, granted,"
        f" expires_at) VALUES ('{TENANT}', '{LIMIT}', '2026-10-01', '{PROCESS}', 1, '2026-10-02')"
    )
    ((number,),) = house.ask("SELECT lease_id::int FROM meterr.limit_lease")
    insert(house.dsn, [entry(TENANT, START_MS + 9 * HOUR_MS + 1, 5, leases=[number])])
    return number


class TestBudgets:
    async def test_a_budget_that_spent_what_its_entries_cost_is_sound(
        self, db: Database, house: House, lease: int
    ) -> None:
        """P7: entries and budgets move in one transaction, so they agree at every moment."""
        assert {Fault.COST_WITHOUT_PRICE} == {fault for fault, _ in await faults(db)}

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("UPDATE meterr.limit_lease SET spent = spent - 0.000000000000000001",
             {Fault.LEASE_DIFFERS, Fault.POOL_DIFFERS}),
            ("UPDATE meterr.limit_pool SET spent = 0", {Fault.POOL_DIFFERS}),
            ("UPDATE meterr.limit_pool SET taken = 2", {Fault.POOL_DIFFERS}),
            ("UPDATE meterr.limit_pool SET taken = 0", {Fault.POOL_DIFFERS}),
            ("UPDATE meterr.ledger_entry SET leases = NULL", {Fault.LEASE_DIFFERS}),
        ],
    )  # fmt: skip
    async def test_a_budget_that_says_otherwise_is_found(
        self, db: Database, house: House, lease: int, statement: str, found: set[Fault]
    ) -> None:
        """P3, P7: a budget that forgot some of its spending could be spent twice."""
        house.tell(statement)
        named = dict(await faults(db))
        assert found == set(named) - {Fault.COST_WITHOUT_PRICE}
        told = {Fault.LEASE_DIFFERS: f"lease {lease}", Fault.POOL_DIFFERS: f"limit {LIMIT}"}
        assert all(told[fault] == named[fault] for fault in found)
