"""Retention: raw days go once they are rolled up, their sums stay, and late entries still count."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from ledger_rows import entry, insert, make_partitions
from rollup_house import House

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.ledger import Dimension, usage
from meterr.ledger.rollups import RETENTION_DAYS_MIN, Notice

TENANT = str(uuid.UUID(int=1))
NOW = datetime.now(UTC)  # the database's own clock guards what is too young to be dropped
TODAY = NOW.date()
OLD = TODAY - timedelta(days=100)
OLD_MS = int(datetime(OLD.year, OLD.month, OLD.day, 9, 30, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
KEPT_DAYS = 70


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    """Three entries in two hours of an old day, and one in the day after it."""
    make_partitions(database_url, OLD, OLD + timedelta(days=1))
    rows = [entry(TENANT, OLD_MS + n * HOUR_MS // 2, n) for n in range(3)]
    insert(database_url, [*rows, entry(TENANT, OLD_MS + 24 * HOUR_MS, 3, model="two")])
    return House(database_url, admin_dsn)


async def old_days(db: Database, *by: Dimension, tz: str = "UTC"):
    return await usage(db, TENANT, by=by, since=OLD, until=OLD + timedelta(days=2), tz=tz)


class TestDropping:
    async def test_raw_days_go_and_their_sums_stay(self, db: Database, house: House) -> None:
        """Section 6: no page over whole days or hours changes when the raw rows are dropped."""
        before = [await old_days(db, *by) for by in ((), (Dimension.HOUR,), (Dimension.MODEL,))]
        done = await house.go_round(NOW, retention_days=KEPT_DAYS)
        assert (3, (OLD, OLD + timedelta(days=1))) == (done.hours, done.dropped)
        assert [(0,)] == house.ask("SELECT count(*) FROM meterr.ledger_entry")
        assert (TODAY,) == tuple(house.partitions())[:1]
        after = [await old_days(db, *by) for by in ((), (Dimension.HOUR,), (Dimension.MODEL,))]
        assert before == after
        assert [(Notice.DROPPED, {"day": done.dropped[0].isoformat()})] == house.heard[:1]

    async def test_without_the_setting_everything_stays(self, house: House) -> None:
        """Nothing is deleted by default."""
        assert () == (await house.go_round(NOW)).dropped
        assert [(4,)] == house.ask("SELECT count(*) FROM meterr.ledger_entry")

    async def test_a_day_goes_when_it_is_older_than_the_setting_and_not_before(
        self, house: House
    ) -> None:
        """The last kept day is that many days ago."""
        assert () == (await house.go_round(NOW, retention_days=100)).dropped
        assert (OLD,) == (await house.go_round(NOW, retention_days=99)).dropped

    async def test_a_day_with_a_due_hour_stays(self, house: House) -> None:
        """P2: no row goes that a sum does not hold; the day after it may go."""
        await house.go_round(NOW)
        insert(house.dsn, [entry(TENANT, OLD_MS + 5 * HOUR_MS, 9)])
        assert (OLD + timedelta(days=1),) == dropped_by(house, KEPT_DAYS)
        assert () == dropped_by(house, KEPT_DAYS)
        await house.go_round(NOW)
        assert (OLD,) == dropped_by(house, KEPT_DAYS)

    @pytest.mark.parametrize("days", [RETENTION_DAYS_MIN - 1, 0, -5])
    def test_no_role_drops_what_budgets_and_bills_still_need(self, house: House, days: int) -> None:
        """The database refuses, whatever the settings of a process say."""
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="62 days"):
            dropped_by(house, days)

    async def test_an_insert_under_way_keeps_its_day(self, house: House) -> None:
        """P2: dropping gives up rather than make callers queue behind it."""
        await house.go_round(NOW)
        with psycopg.connect(house.dsn, options="-c role=meterr_drain") as late:
            late.execute(
                "INSERT INTO meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream,"
                " provider, model, state, usage_known)"
                " VALUES (%s, gen_random_uuid(), %s, %s, '', '', '', '', 'settled', false)",
                (TENANT, datetime.fromtimestamp(OLD_MS / 1000, UTC), TENANT),
            )
            with pytest.raises(psycopg.errors.LockNotAvailable):
                dropped_by(house, KEPT_DAYS)
        assert (OLD + timedelta(days=1),) == dropped_by(house, KEPT_DAYS)


def dropped_by(house: House, days: int) -> tuple[date, ...]:
    """Drop one day without rolling anything up first."""
    with psycopg.connect(house.dsn, options="-c role=meterr_drain") as connection:
        statement = "SELECT meterr.drop_ledger_day(current_date - %s::int)"
        (day,) = connection.execute(statement, (days,)).fetchone() or (None,)
    return () if day is None else (day,)


class TestAfterwards:
    async def test_a_late_entry_of_a_dropped_day_is_counted_once(
        self, db: Database, house: House
    ) -> None:
        """P2: its hour is never made again from rows that are gone; it is added to."""
        await house.go_round(NOW, retention_days=KEPT_DAYS)
        late = [entry(TENANT, OLD_MS + 1, 7, cost_usd="1"), entry(TENANT, OLD_MS + 2, 8)]
        insert(house.dsn, late)
        house.tell(
            "INSERT INTO meterr.ledger_entry SELECT * FROM meterr.ledger_entry"
            " ON CONFLICT DO NOTHING"
        )
        assert [] == house.due()
        for _ in range(2):
            for by in ((), (Dimension.DAY,), (Dimension.HOUR,)):
                total = (await old_days(db, *by)).total
                assert (6, Decimal("1.015")) == (total.calls, total.cost_usd)
            await house.go_round(NOW, retention_days=KEPT_DAYS)

    async def test_late_and_current_entries_in_one_batch_find_their_ways(
        self, db: Database, house: House
    ) -> None:
        """P2: one statement of the drain may bring both."""
        await house.go_round(NOW, retention_days=KEPT_DAYS)
        house.tell(
            "INSERT INTO meterr.ledger_entry (tenant_id, id, at, key_id, surface, upstream,"
            " provider, model, state, usage_known, cost_usd)"
            f" SELECT '{TENANT}', gen_random_uuid(), t::timestamptz, '{TENANT}', '', '', '', '',"
            " 'settled', false, 1 FROM unnest(array["
            f"'{OLD} 09:40+00', '{OLD} 09:50+00', '{OLD - timedelta(days=1)} 09:50+00',"
            f"'{TODAY} 00:00+00']) t"
        )
        assert 6 == (await old_days(db)).total.calls
        days = [hour.date() for hour in house.due()]
        assert [OLD - timedelta(days=1), TODAY] == days

    async def test_a_part_of_an_hour_whose_rows_are_gone_is_refused(
        self, db: Database, house: House
    ) -> None:
        """P1: refused or exact; never a guess how an hour divides."""
        half_past = datetime.fromtimestamp(OLD_MS / 1000, UTC)
        until = OLD + timedelta(days=2)
        before = await usage(db, TENANT, by=[], since=half_past, until=until)
        assert 4 == before.total.calls
        await house.go_round(NOW, retention_days=KEPT_DAYS)
        with pytest.raises(Invalid, match="whole hours of UTC: the one from 09:00 UTC is cut"):
            await usage(db, TENANT, by=[], since=half_past, until=until)
        quiet = half_past + timedelta(hours=3)
        assert 1 == (await usage(db, TENANT, by=[], since=quiet, until=until)).total.calls


class TestPartitions:
    async def test_they_come_without_a_single_call(self, house: House) -> None:
        """Section 6: made ahead on an idle deployment too."""
        await house.go_round(NOW)
        assert [TODAY + timedelta(days=n) for n in range(3)] == house.partitions()[-3:]


async def test_days_of_security_events_are_made_ahead_and_expire(house: House) -> None:
    """One upkeep for both: what expires of one leaves the other alone."""
    house.tell(f"select meterr.ensure_event_partitions(date '{TODAY}' - 300, date '{TODAY}' - 299)")
    async with house.writer(event_retention_days=200) as writer:
        assert () == (await writer.round(NOW)).dropped
    days = house.ask(
        """select right(relname, 8) from pg_class
            where relispartition and relname ~ '^security_event_[0-9]{8}$' order by 1"""
    )
    assert [((TODAY + timedelta(days=n)).strftime("%Y%m%d"),) for n in range(3)] == days
    dropped = [(TODAY - timedelta(days=n)).isoformat() for n in (300, 299)]
    assert [(Notice.EVENTS_DROPPED, {"day": day}) for day in dropped] == house.heard
