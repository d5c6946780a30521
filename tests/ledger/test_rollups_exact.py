"""A sum read from rollups is the sum of the raw entries, to the last digit."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_rows import entry, insert
from rollup_house import MARK_ALL, House

from meterr.core.db import Database, Role
from meterr.ledger import Dimension, usage
from meterr.ledger.rollups import Notice, oldest_late_hour

TENANT = str(uuid.UUID(int=1))
# Whole, half and quarter hours from UTC, clocks that change by half an hour, and a line crossed.
ZONES = [
    "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/St_Johns", "Pacific/Chatham", "Africa/Casablanca", "Pacific/Apia", "UTC",
]  # fmt: skip
CHANGES = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1)]
WHEN = datetime(2026, 10, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPLITS = [(), (Dimension.DAY,), (Dimension.DAY, Dimension.MODEL), (Dimension.HOUR,)]

dates = st.one_of(st.sampled_from(CHANGES), st.dates(date(2025, 1, 1), date(2026, 12, 1)))
zones = st.one_of(st.sampled_from(ZONES), st.sampled_from(sorted(available_timezones())))
odd_costs = st.one_of(
    st.none(), st.decimals(0, 10**6, places=18), st.just(Decimal("0.000000000000000001"))
)
calls = st.lists(
    st.tuples(
        st.integers(0, 5 * 24 * 60).map(lambda minutes: minutes * 60_000),
        odd_costs,
        st.sampled_from(["gpt-5", "claude-opus-5", "kimi-k3"]),
        st.sampled_from(["settled", "interrupted", "refused"]),
        st.integers(0, 2**62),
    ),
    max_size=15,
)
# What happens in turn: entries come, late or not, and hours that ended by then are rolled up.
histories = st.lists(st.tuples(calls, st.one_of(st.none(), st.integers(0, 140))), max_size=4)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    return House(database_url, admin_dsn)


def row(tenant: str, start: datetime, number: int, call: tuple) -> dict[str, object]:
    offset_ms, cost, model, state, tokens = call
    cost = None if state == "refused" else cost
    at_ms = int(start.timestamp() * 1000) + offset_ms
    return entry(tenant, at_ms, number, cost_usd=cost, model=model, state=state, input=tokens)


class TestAgainstRawRows:
    @settings(
        max_examples=30,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        zone=zones,
        first=dates,
        days=st.integers(1, 4),
        into_min=st.sampled_from([0, 0, 0, 17, 60, 95]),
        history=histories,
        by=st.sampled_from(SPLITS),
    )
    async def test_the_page_is_the_raw_sum_in_every_zone(
        self,
        db: Database,
        house: House,
        zone: str,
        first: date,
        days: int,
        into_min: int,
        history: list,
        by: tuple[Dimension, ...],
    ) -> None:
        """P1, issue 3 DST: any zone and date, any entries, any hours rolled up before or after."""
        tenant = str(uuid.uuid4())
        since = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
        start = since.astimezone(UTC) - timedelta(hours=12)
        for turn, (coming, hours) in enumerate(history):
            insert(house.dsn, [row(tenant, start, turn * 100 + n, c) for n, c in enumerate(coming)])
            if hours is not None:
                await house.go_round(start + hours * HOUR + timedelta(minutes=2))
        asked = {
            "by": by,
            "since": since + timedelta(minutes=into_min),
            "until": first + timedelta(days=days),
            "tz": zone,
        }

        page = await usage(db, tenant, **asked)
        whole = await usage(db, tenant, **{**asked, "by": ()})
        house.tell(MARK_ALL)

        assert await usage(db, tenant, **asked) == page
        assert whole.total == page.total

    async def test_rolled_up_twice_is_counted_once(self, db: Database, house: House) -> None:
        """P2: the lines of an hour are replaced, not added to."""
        at_ms = int(WHEN.timestamp() * 1000)
        insert(house.dsn, [entry(TENANT, at_ms)])
        await house.go_round(WHEN + 5 * HOUR)
        insert(house.dsn, [entry(TENANT, at_ms + 1, 1)])
        await house.go_round(WHEN + 5 * HOUR)
        assert [] == house.due()
        assert {WHEN: 2} == house.lines()
        assert [(2,)] == house.ask("SELECT sum(calls)::int FROM meterr.usage_day")

    async def test_an_entry_offered_again_marks_nothing(self, house: House) -> None:
        """P2: the drain may insert a batch twice; what was there is not new."""
        at_ms = int(WHEN.timestamp() * 1000)
        insert(house.dsn, [entry(TENANT, at_ms)])
        await house.go_round(WHEN + 5 * HOUR)
        house.tell(
            "INSERT INTO meterr.ledger_entry SELECT * FROM meterr.ledger_entry"
            " ON CONFLICT DO NOTHING"
        )
        assert [] == house.due()


class TestWhileTheWriterWorks:
    async def test_what_is_not_committed_is_neither_seen_nor_covered(
        self, db: Database, house: House
    ) -> None:
        """P2: rows that were under way while their hour was rolled up leave it due."""
        at_ms = int(WHEN.timestamp() * 1000)
        insert(house.dsn, [entry(TENANT, at_ms)])
        with psycopg.connect(house.admin_dsn) as slow:
            slow.execute(
                "INSERT INTO meterr.ledger_entry SELECT tenant_id, uuidv, at, key_id, surface,"
                " upstream, provider, model, answered_model, price_id, state, stream, status,"
                " outcome, error, estimate, usage_known, input FROM meterr.ledger_entry,"
                " gen_random_uuid() AS uuidv"
            )
            await house.go_round(WHEN + 5 * HOUR)
            assert 1 == (await day(db)).calls
            slow.commit()
        assert [WHEN] == house.due()
        assert 2 == (await day(db)).calls
        await house.go_round(WHEN + 5 * HOUR)
        assert 2 == (await day(db)).calls
        assert {WHEN: 2} == house.lines()

    async def test_no_page_ever_shows_less_than_was_there(self, db: Database, house: House) -> None:
        """P1: rows, marks and lines change under a reader; every answer is one moment's truth."""
        at_ms = int(WHEN.timestamp() * 1000)
        await house.go_round(WHEN)  # makes the day's partition
        written = 0
        over = asyncio.Event()

        async def write() -> None:
            nonlocal written
            try:
                for turn in range(30):
                    rows = [entry(TENANT, at_ms + n * 3_600_000, turn * 10 + n) for n in range(4)]
                    await asyncio.to_thread(insert, house.dsn, rows)
                    written += len(rows)
            finally:
                over.set()

        async def roll() -> None:
            async with house.writer() as writer:
                while not over.is_set():
                    await writer.round(WHEN + 20 * HOUR)

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            group.create_task(roll())
            while not over.is_set():
                before = written
                seen = (await day(db)).calls
                assert before <= seen <= written + 4
                assert 0 == seen % 4
        await house.go_round(WHEN + 20 * HOUR)
        assert 120 == (await day(db)).calls == sum(house.lines().values())


class TestADayThatCannotBeSummed:
    @pytest.fixture
    def sick(self, house: House) -> str:
        """Return the tenant of the oldest due hour; another one's is due after it."""
        at_ms = int(WHEN.timestamp() * 1000)
        sick = str(uuid.uuid4())
        insert(house.dsn, [entry(sick, at_ms), entry(TENANT, at_ms + 3_600_000, 1)])
        insert(house.dsn, [entry(sick, at_ms + 24 * 3_600_000, 2)])
        return sick

    async def test_does_not_keep_others_waiting_and_is_told(
        self, db: Database, house: House, sick: str
    ) -> None:
        """P1: an hour whose sums cannot be stored stays due, by name, and reads by its entries."""
        house.tell(
            f"ALTER TABLE meterr.usage_hour ADD CHECK (tenant_id <> '{sick}' OR hour > '{WHEN}')"
        )
        done = await house.go_round(WHEN + 48 * HOUR, retention_days=62)
        assert 2 == done.hours
        assert [WHEN] == house.due()
        assert {WHEN + HOUR: 1, WHEN + 24 * HOUR: 1} == house.lines()
        assert 1 == (await day(db, sick)).calls
        ((notice, facts),) = house.heard
        assert (Notice.FAILED, sick, "2026-10-20") == (notice, facts["tenant"], facts["day"])
        assert "CheckViolation" in str(facts["reason"])

    async def test_is_not_waited_for_when_somebody_holds_its_marks(
        self, house: House, sick: str
    ) -> None:
        """A lock is given up like a fault; when it is gone, the next round does the rest."""
        with psycopg.connect(house.admin_dsn) as other:
            other.execute(f"SELECT FROM meterr.rollup_due WHERE tenant_id = '{sick}' FOR UPDATE")
            assert 1 == (await house.go_round(WHEN + 48 * HOUR)).hours
            assert [WHEN, WHEN + 24 * HOUR] == house.due()
        assert 2 == (await house.go_round(WHEN + 48 * HOUR)).hours
        assert {(sick, "2026-10-20"), (sick, "2026-10-21")} == {
            (facts["tenant"], facts["day"]) for _, facts in house.heard
        }

    async def test_is_not_waited_for_when_it_takes_longer_than_a_statement_may(
        self, house: House, sick: str
    ) -> None:
        """It looks like a database that is away, and is told apart from one."""
        house.tell(
            "CREATE FUNCTION slow(uuid) RETURNS boolean LANGUAGE sql AS"
            f" $$ SELECT $1 <> '{sick}' OR pg_sleep(60) IS NULL $$"
        )
        house.tell("ALTER TABLE meterr.usage_hour ADD CHECK (slow(tenant_id))")
        async with house.writer(statement_timeout_s=1) as writer:
            assert 1 == (await writer.round(WHEN + 48 * HOUR)).hours
        assert {WHEN + HOUR: 1} == house.lines()
        assert [sick, sick] == [facts["tenant"] for _, facts in house.heard]

    async def test_is_told_once_and_not_every_round(self, house: House, sick: str) -> None:
        """An operator reads a line for a fault, and another when it came back."""
        house.tell(f"ALTER TABLE meterr.usage_hour ADD CONSTRAINT c CHECK (tenant_id <> '{sick}')")
        async with house.writer() as writer:
            for _ in range(3):
                await writer.round(WHEN + 48 * HOUR)
            assert 2 == len(house.heard)
            house.tell("ALTER TABLE meterr.usage_hour DROP CONSTRAINT c")
            await writer.round(WHEN + 48 * HOUR)
            house.tell(f"DELETE FROM meterr.usage_hour; {MARK_ALL}")
            house.tell(f"ALTER TABLE meterr.usage_hour ADD CHECK (tenant_id <> '{sick}')")
            await writer.round(WHEN + 48 * HOUR)
        assert 4 == len(house.heard)

    async def test_is_late_after_two_hours_in_the_eyes_of_its_tenant(
        self, db: Database, house: House, sick: str
    ) -> None:
        """What the doctor asks: the oldest hour that nobody summed though it ended long ago."""
        assert WHEN == await oldest_late_hour(db, sick)
        assert WHEN + HOUR == await oldest_late_hour(db, TENANT)
        await house.go_round(WHEN + 48 * HOUR)
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        insert(house.dsn, [entry(TENANT, now_ms, 3)])
        assert await oldest_late_hour(db, TENANT) is None


async def day(db: Database, tenant: str = TENANT):
    report = await usage(db, tenant, by=[], since=WHEN.date(), until=WHEN.date() + timedelta(1))
    return report.total
