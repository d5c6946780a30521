"""Usage: exact sums over a period, with what they leave out beside them."""

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_rows import KEY, entry, insert, make_partitions

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.ledger import Dimension, usage
from meterr.ledger.model import Usage
from meterr.ledger.reading import USAGE_ROWS_MAX

TENANT = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))
START = date(2026, 10, 1)
END = date(2026, 11, 1)
START_MS = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp() * 1000)
END_MS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
MODEL, STATE, DAY, HOUR, KEYS = (
    Dimension.MODEL, Dimension.STATE, Dimension.DAY, Dimension.HOUR, Dimension.KEY
)  # fmt: skip


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


async def october(db: Database, *by: Dimension, tenant: str = TENANT, tz: str = "UTC"):
    return await usage(db, tenant, by=by, since=START, until=END, tz=tz)


class TestSums:
    async def test_no_entry_is_no_row_and_no_cost(self, db: Database) -> None:
        """P1: an empty period has a total of nothing, not of 0 USD."""
        report = await october(db, MODEL)
        assert () == report.rows
        assert 0 == report.total.calls
        assert report.total.cost_usd is None

    async def test_the_period_is_half_open(self, db: Database, database_url: str) -> None:
        """P1: the first instant counts, the end belongs to the next period."""
        moments = (START_MS - 1, START_MS, END_MS - 1, END_MS)
        insert(database_url, [entry(TENANT, moment) for moment in moments])
        assert 2 == (await october(db)).total.calls

    async def test_another_tenants_entries_are_not_counted(
        self, db: Database, database_url: str
    ) -> None:
        """P4: the sums of a tenant are its own."""
        insert(database_url, [entry(TENANT, START_MS), entry(OTHER, START_MS, 1, cost_usd="9")])
        assert Decimal("0.003") == (await october(db)).total.cost_usd
        assert Decimal(9) == (await october(db, tenant=OTHER)).total.cost_usd

    async def test_what_has_no_cost_is_counted_beside_the_cost(
        self, db: Database, database_url: str
    ) -> None:
        """P1: unknown is never 0; a refused or failed call had nothing to price."""
        rows = [
            entry(TENANT, START_MS, 1),
            entry(TENANT, START_MS, 2, cost_usd=None),
            entry(TENANT, START_MS, 3, estimate="chars/4", state="interrupted", status=0),
            entry(TENANT, START_MS, 4, state="refused", status=402, cost_usd=None,
                  usage_known=False, input=0, output=0),
            entry(TENANT, START_MS, 5, status=429, cost_usd=None, usage_known=False,
                  input=0, output=0),
            entry(TENANT, START_MS, 6, status=500, cost_usd=None),
            entry(TENANT, START_MS, 7, status=401, cost_usd=None, input=0, output=0),
        ]  # fmt: skip
        insert(database_url, rows)
        total = (await october(db)).total
        found = (total.calls, total.refused, total.failed, total.unpriced, total.estimated)
        assert (7, 1, 3, 2, 1) == found
        assert 1 == total.interrupted
        assert Decimal("0.006") == total.cost_usd

    async def test_what_cost_more_than_could_be_told_is_counted_beside_the_cost(
        self, db: Database, database_url: str
    ) -> None:
        """P1: a call with work that one vector cannot express costs at least what is stored."""
        rows = [
            entry(TENANT, START_MS, 1),
            entry(TENANT, START_MS, 2, model="two", error="usage-partial"),
            entry(TENANT, START_MS, 3, model="two", error="usage-partial", cost_usd=None),
            entry(TENANT, START_MS, 4, model="two", error="usage-missing"),
        ]
        insert(database_url, rows)
        report = await october(db, MODEL)
        assert {"gpt-4.1": 0, "two": 2} == {row.group[MODEL]: row.partial for row in report.rows}
        assert (2, 1) == (report.total.partial, report.total.unpriced)

    async def test_groups_come_in_the_order_that_was_asked_for(
        self, db: Database, database_url: str
    ) -> None:
        """Issue 2, item 10: `usage --by model,key,day`; rows sort by the first dimension first."""
        rows = [
            entry(TENANT, START_MS + DAY_MS * day, number, model=model)
            for number, (day, model) in enumerate([(1, "b"), (0, "b"), (1, "a"), (1, "b")])
        ]
        insert(database_url, rows)
        report = await october(db, MODEL, DAY, KEYS)
        assert [("a", "2026-10-02", KEY), ("b", "2026-10-01", KEY), ("b", "2026-10-02", KEY)] == [
            tuple(row.group.values()) for row in report.rows
        ]
        assert [1, 1, 2] == [row.calls for row in report.rows]
        assert Usage(input=4_000, output=400) == report.total.usage
        swapped = await october(db, DAY, MODEL)
        assert ["2026-10-01", "2026-10-02", "2026-10-02"] == [
            row.group[DAY] for row in swapped.rows
        ]

    @pytest.mark.parametrize("dimension", [each for each in Dimension if each is not HOUR])
    async def test_every_dimension_splits_without_losing_anything(
        self, db: Database, database_url: str, dimension: Dimension
    ) -> None:
        """P1: the rows of any split add up to the whole."""
        insert(database_url, [entry(TENANT, START_MS + n * DAY_MS, n) for n in range(3)])
        report = await october(db, dimension)
        assert 3 == sum(row.calls for row in report.rows) == report.total.calls
        assert Decimal("0.009") == report.total.cost_usd
        assert all(set(row.group) == {dimension} for row in report.rows)

    async def test_a_million_calls_of_24_hundred_millionths_are_24_cents(
        self, db: Database, admin_dsn: str
    ) -> None:
        """Issue 2: 12 embedding tokens at 0.02 USD/M, a million times, in PostgreSQL's numeric."""
        with psycopg.connect(admin_dsn) as conn:
            conn.execute(
                "INSERT INTO meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream,"
                " provider, model, state, usage_known, input, cost_usd)"
                " SELECT %s, lpad(to_hex(n), 32, '0')::uuid, %s, %s, 'openai.embeddings', '',"
                " 'openai', 'text-embedding-3-small', 'settled', true, 12, 0.00000024"
                " FROM generate_series(1, 1000000) n",
                (TENANT, START, KEY),
            )
        total = (await october(db)).total
        assert Decimal("0.24") == total.cost_usd
        assert 12_000_000 == total.usage.input
        assert 1_000_000 == total.calls


class TestRefusals:
    @pytest.mark.parametrize(
        ("by", "says"),
        [((DAY, HOUR), "not both"), ((MODEL, MODEL), "named once"), ((HOUR, HOUR), "named once")],
    )
    async def test_a_question_without_an_answer_is_refused(
        self, db: Database, by: tuple[Dimension, ...], says: str
    ) -> None:
        """Issue 2, bad input: the answer says what to ask instead."""
        with pytest.raises(Invalid, match=says):
            await october(db, *by)

    async def test_more_rows_than_anybody_reads_are_refused(
        self, db: Database, admin_dsn: str
    ) -> None:
        """Section 9: nothing is cut off silently; the answer says that there is more."""
        with psycopg.connect(admin_dsn) as conn:
            conn.execute(
                "INSERT INTO meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream,"
                " provider, model, state, usage_known)"
                " SELECT %s, gen_random_uuid(), %s, %s, '', '', '', n::text, 'settled', true"
                " FROM generate_series(1, %s) n",
                (TENANT, START, KEY, USAGE_ROWS_MAX + 1),
            )
        with pytest.raises(Invalid, match="More than 10,000 rows"):
            await october(db, MODEL)
        assert USAGE_ROWS_MAX + 1 == (await october(db)).total.calls


class TestDaysOfZones:
    @settings(
        max_examples=15,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        zone=st.sampled_from(sorted(available_timezones())),
        first=st.dates(date(2025, 1, 1), date(2026, 12, 1)),
        days=st.integers(1, 40),
        offsets_s=st.lists(st.integers(0, 41 * 86_400), min_size=1, max_size=20),
    )
    async def test_the_sum_of_the_days_is_the_sum_of_the_whole(
        self,
        db: Database,
        database_url: str,
        zone: str,
        first: date,
        days: int,
        offsets_s: list[int],
    ) -> None:
        """P1: days as the zone's own calendar names them, through every change of clocks."""
        tenant = str(uuid.uuid4())
        midnight = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
        start_ms = int(midnight.timestamp() * 1000) - DAY_MS // 2
        rows = [
            entry(tenant, start_ms + offset * 1000, number, cost_usd=f"0.{number + 1:018d}")
            for number, offset in enumerate(offsets_s)
        ]
        insert(database_url, rows)
        until = first + timedelta(days=days)
        told: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            day = row["at"].astimezone(ZoneInfo(zone)).date()
            if first <= day < until:
                told[day.isoformat()] += Decimal(row["cost_usd"])

        by_day = await usage(db, tenant, by=[DAY], since=first, until=until, tz=zone)
        whole = await usage(db, tenant, by=[], since=first, until=until, tz=zone)

        assert told == {row.group[DAY]: row.cost_usd for row in by_day.rows}
        assert whole.total == by_day.total
        assert (sum(told.values()) if told else None) == whole.total.cost_usd

    async def test_the_repeated_hour_is_two_rows_in_order(
        self, db: Database, database_url: str
    ) -> None:
        """P1: 02:30 happened twice in Berlin on 2026-10-25; neither swallows the other."""
        first_ms = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() * 1000)
        insert(database_url, [entry(TENANT, first_ms + n * 3_600_000, n) for n in range(2)])
        report = await usage(
            db, TENANT, by=[HOUR], since=date(2026, 10, 25), until=END, tz="Europe/Berlin"
        )
        assert ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"] == [
            row.group[HOUR] for row in report.rows
        ]


async def test_partitions_change_no_sum(db: Database, database_url: str) -> None:
    """Section 6: the same entries, in the default partition or in their days, are the same sums."""
    insert(database_url, [entry(TENANT, START_MS + n * DAY_MS, n) for n in range(5)])
    before = await october(db, DAY)
    make_partitions(database_url, START, END)
    insert(database_url, [entry(OTHER, START_MS + n * DAY_MS, n) for n in range(5)])
    assert before == await october(db, DAY)
    assert all(one.group[DAY] < other.group[DAY] for one, other in pairwise(before.rows))
