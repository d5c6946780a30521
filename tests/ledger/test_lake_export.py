"""Exporting days: the files have what the ledger has, to the last digit, and nothing else."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from lake_house import ACME, BOLT, DAYS, END, FIRST, NOW, LakeHouse, ms
from ledger_rows import entry

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, OperatorError
from meterr.ledger import lake
from meterr.ledger.lake import DayState, folder


@pytest.fixture
async def house(database_url: str, admin_dsn: str, tmp_path: Path) -> AsyncIterator[LakeHouse]:
    async with Database.open(database_url, Role.APP) as db:
        made = LakeHouse(db, database_url, admin_dsn, tmp_path / "lake")
        made.fill()
        yield made


async def test_the_sums_are_those_of_the_ledger(house: LakeHouse) -> None:
    """Issue 3, 8: DuckDB reads back the same sums to the last digit, per tenant and model."""
    reports = await house.export()
    assert house.in_database() == house.in_lake()
    assert 3 == len(house.in_lake())
    days = house.in_lake("day")
    assert list(DAYS) == [row[0] for row in days]
    assert [row[1:3] for row in days] == [
        (report.figures.entries, report.figures.cost_usd) for report in reports.values()
    ]


async def test_there_is_one_file_a_day_and_none_for_a_day_without_entries(
    house: LakeHouse,
) -> None:
    """Issue 3, 8: the set of files is the set of days that the ledger has entries of."""
    await house.export(since=FIRST - timedelta(days=9), until=END)
    assert [f"day={day}/part-0.parquet" for day in DAYS] == house.files()


async def test_days_outside_the_period_are_left_alone(house: LakeHouse) -> None:
    """Issue 3, 8: --from is the first day, --to-day the end and not part of it."""
    await house.export(since=DAYS[1], until=DAYS[2])
    assert [f"day={DAYS[1]}/part-0.parquet"] == house.files()


async def test_an_export_of_one_tenant_has_nobody_elses_entries(house: LakeHouse) -> None:
    """P4: what is handed to one tenant is that tenant's."""
    await house.export([BOLT], BOLT)
    assert [(BOLT, len(DAYS))] == house.ask("SELECT tenant_id, count(*) FROM lake GROUP BY 1")


@pytest.mark.parametrize("one", [ACME, lake.EVERY_TENANT])
async def test_two_selections_of_tenants_do_not_share_a_folder(house: LakeHouse, one: str) -> None:
    """P4: a folder is all tenants' or one tenant's; mixed, its sums would be nobody's."""
    await house.export([BOLT], BOLT)
    before = house.files()
    with pytest.raises(Invalid, match=f"export of tenant {BOLT}"):
        await house.export([ACME], one)
    with pytest.raises(Invalid, match=f"export of tenant {BOLT}"):
        await house.check([ACME], one)
    assert before == house.files()


async def test_entries_of_a_tenant_that_does_not_exist_are_exported_too(house: LakeHouse) -> None:
    """P2: nothing in the ledger is left out because nobody asks for it by name."""
    await house.export([])
    assert house.in_database() == house.in_lake()


async def test_entries_in_the_default_partition_are_exported_too(house: LakeHouse) -> None:
    """Section 6: no date is refused by the ledger, and none is forgotten by the export."""
    stray = FIRST - timedelta(days=3)
    house.add(entry(ACME, ms(stray), 1))
    reports = await house.export(since=date(1970, 1, 1))
    assert [stray, *DAYS] == list(reports)
    assert house.in_database() == house.in_lake()


async def test_a_second_export_writes_nothing(house: LakeHouse) -> None:
    """Issue 3, 8: running it again continues; a day that is done costs no writing."""
    first = await house.export()
    assert {(DayState.MISSING, True)} == {(r.state, r.written) for r in first.values()}
    times = [path.stat().st_mtime_ns for path in house.root.glob("*/*.parquet")]
    second = await house.export()
    assert {(DayState.CURRENT, False)} == {(r.state, r.written) for r in second.values()}
    assert times == [path.stat().st_mtime_ns for path in house.root.glob("*/*.parquet")]


async def test_a_late_entry_is_noticed_and_its_day_written_again(house: LakeHouse) -> None:
    """Issue 3, 8: an entry that arrives for an exported day does not stay out of the lake."""
    await house.export()
    house.add(entry(BOLT, ms(DAYS[1], 77), 9, cost_usd="0.000000000000000009"))
    assert [DayState.CURRENT, DayState.LATE, DayState.CURRENT] == [*(await house.check()).values()]
    again = await house.export()
    assert [DAYS[1]] == [day for day, report in again.items() if report.written]
    assert {DayState.CURRENT} == set((await house.check()).values())
    assert house.in_database() == house.in_lake()


async def test_a_late_entry_that_cost_nothing_is_noticed_too(house: LakeHouse) -> None:
    """Issue 3, 8: a refused call moves no sum, and is an entry all the same."""
    await house.export()
    refused = {"state": "refused", "usage_known": False, "input": 0, "output": 0, "cost_usd": None}
    house.add(entry(ACME, ms(DAYS[0], 78), 9, **refused))
    assert DayState.LATE == (await house.check())[DAYS[0]]


async def test_a_day_without_a_file_is_missing(house: LakeHouse) -> None:
    """Issue 3, 8: the check compares days as well as sums."""
    assert {DayState.MISSING} == set((await house.check()).values())
    await house.export(since=DAYS[1])
    expected = [DayState.MISSING, DayState.CURRENT, DayState.CURRENT]
    assert expected == [*(await house.check()).values()]


async def test_what_else_lies_in_the_folder_is_no_day(house: LakeHouse) -> None:
    """Issue 3, bad input: strange names are passed over, not stumbled on."""
    (house.root / "day=2026-13-45").mkdir(parents=True)
    (house.root / f"day={DAYS[0]}").mkdir()
    (house.root / "notes.txt").write_text("mine")
    assert list(DAYS) == list(await house.export())
    assert {DayState.CURRENT} == set((await house.check()).values())


async def test_another_export_into_the_same_folder_is_refused(house: LakeHouse) -> None:
    """Issue 3, 8: two at once would clear each other's unfinished files away."""
    with folder.only_one(house.root), pytest.raises(OperatorError, match="another export"):
        await house.export()
    assert DAYS == tuple(await house.export())


async def test_what_fails_in_the_middle_leaves_what_was_there(house: LakeHouse) -> None:
    """Issue 3, 8: no error makes a file disappear, or appear by half."""
    await house.export(until=DAYS[1])
    house.add(entry(ACME, ms(DAYS[0], 79), 9))
    before = (house.root / f"day={DAYS[0]}" / "part-0.parquet").read_bytes()
    one_row = house.made(lake.BatchLimits(rows_max=1))

    def stop(day: date, entries: int) -> None:
        if entries == 2:
            raise KeyboardInterrupt

    wanted = lake.Wanted(FIRST, END, [ACME, BOLT])
    with pytest.raises(KeyboardInterrupt):
        await one_row.export(wanted, NOW, stop)
    assert [f"day={DAYS[0]}/part-0.parquet"] == house.files()
    assert before == (house.root / f"day={DAYS[0]}" / "part-0.parquet").read_bytes()
    assert [] == list((house.root / ".unfinished").glob("*.draft"))
