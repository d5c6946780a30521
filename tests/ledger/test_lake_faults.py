"""Files that cannot be trusted, and days that only the lake still has: nothing is overwritten."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_house import ACME, BOLT, DAYS, LakeHouse, ms
from ledger_rows import entry, run_as_admin

from meterr.core.db import Database, Role
from meterr.ledger.lake import DayState
from meterr.ledger.lake.columns import COLUMNS, SCHEMA_VERSION
from meterr.ledger.lake.model import Footer

DAY = DAYS[1]
LEDGER_LOST = f"DELETE FROM meterr.ledger_entry WHERE at::date = '{DAY}' AND tenant_id = '{BOLT}'"
LEDGER_EDITED = (
    "UPDATE meterr.ledger_entry SET cost_usd = cost_usd - 0.000000000000000001"
    f" WHERE at::date = '{DAY}' AND cost_usd = 1.5"
)
DAY_DROPPED = f"DROP TABLE meterr.ledger_entry_{DAY:%Y%m%d}"

LATER_VERSION = msgspec.json.encode(
    Footer(SCHEMA_VERSION + 1, DAY, "", 1, 0, "0", "2026-11-22T06:00:00+00:00")
).decode()


@pytest.fixture
async def house(database_url: str, admin_dsn: str, tmp_path: Path) -> AsyncIterator[LakeHouse]:
    async with Database.open(database_url, Role.APP) as db:
        made = LakeHouse(db, database_url, admin_dsn, tmp_path / "lake")
        made.fill()
        await made.export()
        yield made


def file_of(house: LakeHouse, day: date = DAY) -> Path:
    return house.root / f"day={day}" / "part-0.parquet"


@pytest.mark.parametrize("fault", [LEDGER_LOST, LEDGER_EDITED])
async def test_a_ledger_that_shrank_or_was_edited_differs_from_its_file(
    house: LakeHouse, fault: str
) -> None:
    """P7: the file is a witness; an export does not overwrite it with what somebody left over."""
    before = file_of(house).read_bytes()
    run_as_admin(house.admin_dsn, fault)
    assert DayState.DIFFERS == (await house.check())[DAY]
    reports = await house.export()
    assert (DayState.DIFFERS, False) == (reports[DAY].state, reports[DAY].written)
    assert "6" not in reports[DAY].detail.partition(" entries")[0]
    assert before == file_of(house).read_bytes()


async def test_an_edit_under_the_cover_of_a_late_entry_differs(house: LakeHouse) -> None:
    """P7: entries arrive, sums never fall: more entries of less cost are no late entries."""
    run_as_admin(house.admin_dsn, LEDGER_EDITED)
    house.add(entry(ACME, ms(DAY, 99), 9, cost_usd="0"))
    assert DayState.DIFFERS == (await house.check())[DAY]


async def test_a_day_that_the_database_dropped_is_kept(house: LakeHouse) -> None:
    """Issue 3, 8: retention drops days; the lake is where they are then."""
    before = file_of(house).read_bytes()
    run_as_admin(house.admin_dsn, DAY_DROPPED)
    assert DayState.KEPT == (await house.check())[DAY]
    reports = await house.export()
    assert (DayState.KEPT, False) == (reports[DAY].state, reports[DAY].written)
    assert before == file_of(house).read_bytes()
    assert (3, Decimal("1.500000000000000001")) == (
        reports[DAY].figures.entries,
        reports[DAY].figures.cost_usd,
    )


async def test_an_emptied_day_is_no_dropped_day(house: LakeHouse) -> None:
    """P7: retention removes the partition with the rows; rows alone are removed by somebody."""
    run_as_admin(house.admin_dsn, f"TRUNCATE meterr.ledger_entry_{DAY:%Y%m%d}")
    assert DayState.DIFFERS == (await house.check())[DAY]


def last_byte_of(file: Path, column: int) -> int:
    """Return the place of the last byte of a column's values."""
    chunk = pq.ParquetFile(file).metadata.row_group(0).column(column)
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    return int(first + chunk.total_compressed_size - 1)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("place", ["head", "end", "cut", "empty"])
async def test_a_damaged_file_is_found_whether_or_not_the_ledger_has_its_day(
    house: LakeHouse, place: str, dropped: bool
) -> None:
    """P7: the only copy of a day is read too."""
    file = file_of(house)
    if dropped:
        run_as_admin(house.admin_dsn, DAY_DROPPED)
    whole = bytearray(file.read_bytes())
    if place in ("head", "end"):
        whole[30 if place == "head" else -5] ^= 0xFF
    file.write_bytes({"cut": whole[:-9], "empty": b""}.get(place, whole))
    assert DayState.UNREADABLE == (await house.check())[DAY]


async def test_a_damaged_value_of_any_column_is_found(house: LakeHouse) -> None:
    """P7: every value lies under a checksum, and the check reads all of them."""
    file = file_of(house)
    whole = file.read_bytes()
    for column in range(len(COLUMNS)):
        damaged = bytearray(whole)
        damaged[last_byte_of(file, column)] ^= 0x01
        file.write_bytes(damaged)
        assert DayState.UNREADABLE == (await house.check())[DAY], COLUMNS[column].name
        file.write_bytes(whole)
    assert DayState.CURRENT == (await house.check())[DAY]


async def test_an_edited_file_does_not_agree_with_itself(house: LakeHouse) -> None:
    """P7: figures in the footer are compared with the ledger, and values with the footer."""
    file = file_of(house)
    table = pq.read_table(file, partitioning=None)
    cost = table.column_names.index("cost_usd")
    flat = pa.array([Decimal("0.5")] * table.num_rows, pa.decimal128(38, 18))
    said = pq.ParquetFile(file).metadata.metadata[b"meterr.export"]
    table = table.set_column(cost, table.schema.field(cost), flat)
    with pq.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"meterr.export": said.decode()})
    assert DayState.UNREADABLE == (await house.check())[DAY]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "no export of meterr"),
        ("{}", "another version"),
        ("{", "another version"),
        (LATER_VERSION, "schema version 2"),
    ],
)
async def test_a_file_that_is_not_ours_is_named_and_left_alone(
    house: LakeHouse, said: str | None, reason: str
) -> None:
    """Issue 3, bad input: an export never replaces what it cannot read."""
    file = file_of(house)
    metadata = None if said is None else {"meterr.export": said}
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(metadata), file)
    before = file.read_bytes()
    found = (await house.export())[DAY]
    assert (DayState.UNREADABLE, False) == (found.state, found.written)
    assert reason in found.detail
    assert before == file.read_bytes()
    assert DayState.UNREADABLE == (await house.check())[DAY]


async def test_a_file_in_another_days_folder_is_not_that_day(house: LakeHouse) -> None:
    """P7: a copy that went astray would count one day twice and hide another."""
    file_of(house).write_bytes(file_of(house, DAYS[0]).read_bytes())
    found = (await house.export())[DAY]
    assert (DayState.UNREADABLE, f"the file of {DAYS[0]}") == (found.state, found.detail)


async def test_readers_open_only_the_days_they_are_asked_for(house: LakeHouse) -> None:
    """Issue 3, 8: partitions are pruned by the folder's name, before a file is opened."""
    file_of(house, DAYS[2]).write_bytes(b"no file that anybody could read")
    count = "SELECT count(*) FROM lake WHERE day {} DATE '{}'"
    assert [(6,)] == house.ask(count.format("<", DAYS[2]))
    with pytest.raises(duckdb.Error):
        house.ask(count.format("<=", DAYS[2]))
