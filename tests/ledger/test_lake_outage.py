"""Disks that fill up and databases that go away in the middle of an export."""

from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from journal_house import small_disk
from lake_house import ACME, BOLT, DAYS, END, FIRST, NOW, LakeHouse, ms
from ledger_rows import entry, run_as_admin

from meterr.core.db import Database, DatabaseUnavailable, Role
from meterr.ledger import lake
from meterr.ledger.lake import DayState

LAST = DAYS[-1]
WANTED = lake.Wanted(FIRST, END, [ACME, BOLT])
# Ids of providers are random, so they take the room that they have.
LARGE_LAST_DAY = f"""
INSERT INTO meterr.ledger_entry
       (tenant_id, id, at, key_id, surface, upstream, provider, model, state, usage_known,
        provider_request_id)
SELECT tenant_id, (left(id::text, 24) || lpad(to_hex(1000 + n), 12, '0'))::uuid, at, key_id,
       surface, upstream, provider, model, state, usage_known, gen_random_uuid()
  FROM meterr.ledger_entry, generate_series(1, 60000) AS n
 WHERE at::date = '{LAST}' AND tenant_id = '{BOLT}'
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 512) as made:
        yield made


@pytest.fixture
async def house(database_url: str, admin_dsn: str, tmp_path: Path) -> AsyncIterator[LakeHouse]:
    async with Database.open(database_url, Role.APP) as db:
        made = LakeHouse(db, database_url, admin_dsn, tmp_path / "lake")
        made.fill()
        yield made


def drafts(root: Path) -> list[Path]:
    return list((root / ".unfinished").glob("*.draft"))


async def test_a_full_disk_ends_the_export_and_takes_nothing_away(
    database_url: str, admin_dsn: str, disk: Path
) -> None:
    """Section 7: days that are there stay, the day that does not fit leaves nothing behind."""
    async with Database.open(database_url, Role.APP) as db:
        house = LakeHouse(db, database_url, admin_dsn, disk / "lake")
        house.fill()
        await house.export()
        before = house.in_lake()
        run_as_admin(admin_dsn, LARGE_LAST_DAY)
        with pytest.raises(OSError, match="No space left"):
            await house.export()
        assert before == house.in_lake()
        assert [] == drafts(house.root)
        assert DayState.LATE == (await house.check())[LAST]


async def test_a_database_that_goes_away_ends_the_export_and_the_next_one_continues(
    house: LakeHouse,
) -> None:
    """Section 7: an outage is an error that says so; what was written stays."""

    def cut(day: date, entries: int) -> None:
        if day == LAST:
            end_every_session(house.admin_dsn)

    with pytest.raises(DatabaseUnavailable):
        await house.made(lake.BatchLimits(rows_max=1, page_rows=1)).export(WANTED, NOW, cut)
    assert len(DAYS) - 1 == len(house.files())
    assert [] == drafts(house.root)
    continued = await house.export()
    assert [LAST] == [day for day, report in continued.items() if report.written]
    assert house.in_database() == house.in_lake()


async def test_an_entry_that_arrives_while_its_day_is_written_is_not_lost(
    house: LakeHouse,
) -> None:
    """P2: tenants are read one after the other; what comes between makes the day late."""
    arrived: list[date] = []

    def arrive(day: date, entries: int) -> None:
        if day not in arrived:
            arrived.append(day)
            house.add(entry(ACME, ms(day, 0), 99, cost_usd="7"))

    await house.made(lake.BatchLimits(rows_max=1, page_rows=1)).export(WANTED, NOW, arrive)
    await house.export()
    assert list(DAYS) == arrived
    assert {DayState.CURRENT} == set((await house.check()).values())
    assert house.in_database() == house.in_lake()


@pytest.mark.parametrize("exported", [False, True])
async def test_a_day_that_shrinks_while_it_is_written_is_not_written(
    house: LakeHouse, exported: bool
) -> None:
    """P2: a day dropped at that moment must not leave a part of it that looks like all of it."""
    if exported:
        await house.export()
        house.add(entry(ACME, ms(LAST, 7), 77))
    before = house.files()
    removed = f"DELETE FROM meterr.ledger_entry WHERE tenant_id = '{BOLT}' AND at::date = '{LAST}'"

    def remove(day: date, entries: int) -> None:
        if day == LAST:
            run_as_admin(house.admin_dsn, removed)

    small = house.made(lake.BatchLimits(rows_max=1, page_rows=1))
    found = {report.day: report for report in await small.export(WANTED, NOW, remove)}
    assert (DayState.DIFFERS, False) == (found[LAST].state, found[LAST].written)
    assert [] == drafts(house.root)
    expected = before or [f"day={day}/part-0.parquet" for day in DAYS[:-1]]
    assert expected == house.files()


def end_every_session(admin_dsn: str) -> None:
    with psycopg.connect(admin_dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
