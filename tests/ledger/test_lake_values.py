"""Exported values: every one of them comes back as it is in the ledger."""

from collections.abc import AsyncIterator
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_house import ACME, BOLT, CLASSES, DAYS, END, FIRST, NOW, LakeHouse, ms
from ledger_rows import entry, insert, run_as_admin

from meterr.core.clock import as_datetime
from meterr.core.db import Database, Role
from meterr.core.money import EXACT
from meterr.ledger import lake
from meterr.ledger.lake import DayState
from meterr.ledger.lake.batch import Batch, BatchLimits
from meterr.ledger.lake.columns import COLUMNS, SCHEMA_VERSION
from meterr.ledger.lake.parquet import SCHEMA

DAY = DAYS[0]
FILE = f"day={DAY}/part-0.parquet"
LAWS = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
COUNT_MAX = 2**63 - 1
# Every amount that NUMERIC(38,18) holds: twenty digits before the point, eighteen after it.
dollars = st.integers(0, 10**38 - 1).map(lambda units: Decimal(units).scaleb(-18, EXACT))
costs = st.none() | dollars | st.sampled_from([Decimal(0), Decimal("1e-18")])
# PostgreSQL stores every character but NUL, and no half of a pair.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
words = texts | st.sampled_from(["", '"', "\n", "\r\n", ",", "\\.", "\\N", "NULL", "t", " x "])
calls = st.fixed_dictionaries(
    {
        "tenant_id": st.sampled_from([ACME, BOLT]),
        "offset_ms": st.integers(0, 86_399_999),
        "model": words,
        "provider_request_id": words,
        "price_id": st.none() | words,
        "stream": st.booleans(),
        "cost_usd": costs,
        **{name: st.integers(0, COUNT_MAX) for name in CLASSES},
    }
)


@pytest.fixture
async def house(database_url: str, admin_dsn: str, tmp_path: Path) -> AsyncIterator[LakeHouse]:
    async with Database.open(database_url, Role.APP) as db:
        yield LakeHouse(db, database_url, admin_dsn, tmp_path / "lake")


def row(number: int, call: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a generated call."""
    kept = {name: value for name, value in call.items() if name != "offset_ms"}
    return {**entry(ACME, ms(DAY, call["offset_ms"]), number), **kept}


def refill(house: LakeHouse, generated: list[dict[str, Any]]) -> None:
    """Make a ledger of exactly these calls, and a folder without an export of them."""
    run_as_admin(house.admin_dsn, "TRUNCATE meterr.ledger_entry")
    (house.root / FILE).unlink(missing_ok=True)
    insert(house.dsn, [row(number, call) for number, call in enumerate(generated)])


def select(table: str, columns: str) -> str:
    return f"SELECT {columns} FROM {table} ORDER BY tenant_id, id"


def read(house: LakeHouse) -> pa.Table:
    return pq.read_table(house.root / FILE, partitioning=None)


@LAWS
@given(generated=st.lists(calls, min_size=1, max_size=12))
async def test_every_value_comes_back(house: LakeHouse, generated: list[dict[str, Any]]) -> None:
    """P1, issue 3, 8: all 38 digits, unknown costs, and texts that CSV has to quote."""
    refill(house, generated)
    reports = await house.export()
    casts = {"tenant_id": "tenant_id::text", "id": "id::text", "key_id": "key_id::text"}
    columns = ", ".join(casts.get(column.name, column.name) for column in COLUMNS)
    with psycopg.connect(house.admin_dsn, options="-c timezone=UTC") as conn:
        stored = conn.execute(select("meterr.ledger_entry", columns)).fetchall()
    assert stored == [tuple(each.values()) for each in read(house).to_pylist()]
    spent = [call["cost_usd"] for call in generated if call["cost_usd"] is not None]
    with localcontext(EXACT):
        assert sum(spent, Decimal(0)) == reports[DAY].figures.cost_usd
    assert {DAY: DayState.CURRENT} == await house.check()


@LAWS
@given(
    generated=st.lists(calls, min_size=1, max_size=12),
    amounts=st.lists(st.none() | st.integers(0, 10**36), min_size=12, max_size=12),
)
async def test_duckdb_sums_to_the_last_digit(
    house: LakeHouse, generated: list[dict[str, Any]], amounts: list[int | None]
) -> None:
    """Issue 3, 8: cost and every class, per tenant and model, as PostgreSQL sums them."""
    # DuckDB sums into 38 digits and says so when they do not suffice: amounts are smaller here.
    costs = [None if units is None else Decimal(units).scaleb(-18, EXACT) for units in amounts]
    refill(
        house,
        [{**call, "cost_usd": cost} for call, cost in zip(generated, costs, strict=False)],
    )
    await house.export()
    assert sorted(house.in_database(), key=str) == sorted(house.in_lake(), key=str)


async def test_entries_are_sorted_by_tenant_and_id(house: LakeHouse) -> None:
    """Issue 3, 8: what one reads together lies together, and readers are told so."""
    house.add(
        *(entry(BOLT, ms(DAY, 900 - n), n) for n in range(5)),
        *(entry(ACME, ms(DAY, n % 3), n) for n in range(5)),
    )
    await house.export()
    found = [(each["tenant_id"], each["id"]) for each in read(house).to_pylist()]
    assert sorted(found) == found
    sorting = pq.ParquetFile(house.root / FILE).metadata.row_group(0).sorting_columns
    assert [0, 1] == [column.column_index for column in sorting]


async def test_one_id_at_two_times_of_a_day_is_two_entries(house: LakeHouse) -> None:
    """P2: a fault of the ledger is exported as it is, for verification to find."""
    twice = entry(ACME, ms(DAY), 1)
    house.add(twice, {**twice, "at": as_datetime(ms(DAY, 1))})
    assert 2 == (await house.export())[DAY].figures.entries


async def test_pages_of_a_large_tenant_join_without_a_seam(house: LakeHouse) -> None:
    """P2: whatever fits into a page, each entry is read once."""
    house.add(*(entry(ACME, ms(DAY, n // 3), n) for n in range(20)))
    for rows in (1, 3, 19, 20, 21):
        (house.root / FILE).unlink(missing_ok=True)
        small = house.made(BatchLimits(page_rows=rows))
        (report,) = await small.export(lake.Wanted(FIRST, END, [ACME]), NOW)
        assert 20 == report.figures.entries
        assert 20 == len(set(read(house)["id"].to_pylist()))


async def test_a_file_says_what_it_is(house: LakeHouse) -> None:
    """Issue 3, 8: types, meanings and the version of the schema travel with the file."""
    house.add(entry(ACME, ms(DAY), 1, cost_usd="0.25"))
    await house.export()
    schema = read(house).schema
    assert SCHEMA.equals(schema)
    assert pa.decimal128(38, 18) == schema.field("cost_usd").type
    assert pa.timestamp("us", tz="UTC") == schema.field("at").type
    assert str(SCHEMA_VERSION).encode() == schema.metadata[b"meterr.schema_version"]
    meanings = [schema.field(column.name).metadata[b"description"] for column in COLUMNS]
    assert [column.meaning.encode() for column in COLUMNS] == meanings
    chunk = pq.ParquetFile(house.root / FILE).metadata.row_group(0).column(7)
    assert ("model", "ZSTD") == (chunk.path_in_schema, chunk.compression)
    assert chunk.has_dictionary_page


async def test_what_one_row_group_holds_is_bounded(house: LakeHouse) -> None:
    """Issue 3, 8: memory is that of one batch, however large the day."""
    house.add(*(entry(ACME, ms(DAY, n), n) for n in range(10)))
    small = house.made(BatchLimits(rows_max=4))
    await small.export(lake.Wanted(FIRST, END, [ACME]), NOW)
    groups = pq.ParquetFile(house.root / FILE).metadata
    assert [4, 4, 2] == [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]


@given(
    rows=st.lists(st.binary(min_size=1, max_size=9), max_size=40),
    rows_max=st.integers(1, 9),
    bytes_max=st.integers(1, 30),
)
def test_a_batch_holds_no_more_than_its_limits_and_loses_nothing(
    rows: list[bytes], rows_max: int, bytes_max: int
) -> None:
    """Section 9: bounded memory; a row is the least that can be held."""
    batch = Batch(BatchLimits(rows_max, bytes_max))
    taken: list[list[bytes]] = []
    for each in rows:
        batch.add(each)
        if batch.is_full:
            taken.append(batch.take())
    taken.append(batch.take())
    assert rows == [each for part in taken for each in part]
    assert all(len(part) <= rows_max for part in taken)
    assert all(sum(map(len, part[:-1])) < bytes_max for part in taken)
    assert not batch.is_full


async def test_the_columns_are_those_of_the_ledger(house: LakeHouse) -> None:
    """Section 6: a column that the ledger gains is exported, or left out on purpose."""
    with psycopg.connect(house.admin_dsn) as conn:
        found = conn.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'meterr' AND table_name = 'ledger_entry'"
        ).fetchall()
    left_out = {"leases"}
    assert {name for (name,) in found} - left_out == {column.name for column in COLUMNS}
