"""A budget's window holds everything of its holder in its stretch of time, from before it too."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_rows import entry, insert, make_partitions
from limit_house import START_MS, House
from rollup_house import House as Rollups

from meterr.core.clock import as_datetime
from meterr.core.limits import Holder, Limit, Measure, Span
from meterr.ledger import verify_ledger
from meterr.ledger.limits import (
    Ask,
    Limiter,
    LimitReached,
    LimitRecord,
    NewLimit,
    end_limit,
    limit_events,
    list_limits,
    set_limit,
)
from meterr.ledger.period import period_of

ALWAYS = period_of(date(2020, 1, 1), date(2100, 1, 1), UTC)  # events have the server's own time
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEYS = [str(uuid.UUID(int=n)) for n in (1, 2, 3)]
FREE = {"error": "price-unknown", "price_id": None}


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    """A tenant with two keys of ada and one of nobody."""
    made = House(database_url, admin_dsn)
    made.settle_in()
    for key, owner in zip(KEYS, ("ada", "ada", ""), strict=True):
        made.admin(
            "insert into meterr.api_key (tenant_id, key_id, name, owner, environment, mac,"
            " pepper_id, last4, scopes) values (%s, %s, 'a key', %s, 'live', %s, 'p1', 'abcd',"
            " '{chat}')",
            *(made.tenant, key, owner, uuid.UUID(key).bytes * 2),
        )
    return made


def spend(house: House, usd: str, ms_ago: int = 1000, **changes: object) -> None:
    """Enter a call that cost so much, so long ago."""
    number = uuid.uuid4().int % 2**40
    fields = {"cost_usd": usd, "key_id": KEYS[0], **changes}
    insert(house.dsn, [entry(house.tenant, house.clock.now_ms - ms_ago, number, **fields)])


async def budget(
    house: House, amount: str = "10", span: Span = Span.MONTH, **terms: str
) -> LimitRecord:
    """Set a budget, of the tenant unless ``terms`` say otherwise."""
    new = NewLimit(Measure.USD, Holder(terms.pop("holder", "tenant")), span, amount, **terms)
    async with house.database() as db:
        return await set_limit(db, house.clock, house.tenant, new)


def limit(record: LimitRecord) -> Limit:
    return Limit(record.limit_id, record.measure, record.holder, record.span, record.amount)


async def fits(house: House, limiter: Limiter, rule: LimitRecord, usd: str, zone="UTC") -> bool:
    """Whether a call of that cost passes now."""
    ask, at = Ask.of(Decimal(usd), 0), house.clock.unix_ms()
    try:
        await limiter.reserve(house.principal(zone), [limit(rule)], ask, at)
    except LimitReached:
        return False
    return True


async def listed(house: House) -> list[tuple[Decimal, Decimal]]:
    """What a list says is taken and spent of each rule's window."""
    async with house.database() as db:
        rules = await list_limits(db, house.clock, house.tenant)
    return [(rule.taken, rule.spent) for rule in rules]


class TestASecondBudgetInTheSameWindow:
    async def test_is_not_had_by_setting_it_in_the_middle(self, house: House) -> None:
        """P3: a month is a month; what was spent since its first day is spent."""
        spend(house, "6", 3 * DAY_MS)
        spend(house, "1", 40 * DAY_MS)
        rule = await budget(house)
        async with house.limiters() as (limiter,):
            assert not await fits(house, limiter, rule, "4.000000000000000001")
            assert await fits(house, limiter, rule, "4")

        assert (Decimal(6), Decimal(6)) == (rule.taken, rule.spent)

    async def test_is_not_had_by_ending_it_and_setting_it_anew(self, house: House) -> None:
        """Another rule, the same holder, the same stretch of time."""
        first = await budget(house)
        spend(house, "6")
        async with house.limiters() as (limiter,), house.database() as db:
            assert await fits(house, limiter, first, "4")
            await end_limit(db, house.tenant, first.limit_id)
            second = await budget(house)
            assert not await fits(house, limiter, second, "5")
            assert await fits(house, limiter, second, "4")

        assert first.limit_id != second.limit_id

    async def test_is_not_had_by_moving_to_another_time_zone(self, house: House) -> None:
        """Noon in Greenwich is 21:00 in Tokyo: that day began at 15:00 of the day before."""
        rule = await budget(house, span=Span.DAY)
        spend(house, "2", 11 * HOUR_MS)
        spend(house, "4", 20 * HOUR_MS)
        spend(house, "8", 22 * HOUR_MS)
        async with house.limiters() as (limiter,):
            assert await fits(house, limiter, rule, "1")
            house.admin("update meterr.tenant set time_zone = 'Asia/Tokyo'")
            assert [(Decimal(6), Decimal(6))] == await listed(house)
            assert not await fits(house, limiter, rule, "5", "Asia/Tokyo")
            assert await fits(house, limiter, rule, "4", "Asia/Tokyo")

    async def test_is_not_had_by_moving_there_and_back(self, house: House) -> None:
        """The window of before knows what was drawn from another meanwhile, and each call once."""
        rule = await budget(house, span=Span.DAY)
        principals = [house.principal(zone) for zone in ("UTC", "Asia/Tokyo")]
        at = house.clock.unix_ms()
        async with house.limiters() as (limiter,):
            for principal in (*principals, *principals):
                house.admin("update meterr.tenant set time_zone = %s", principal.time_zone)
                call = await limiter.reserve(principal, [limit(rule)], Ask.of(Decimal(2), 0), at)
                spend(house, "2", leases=list(call.leases))
                limiter.settle(call, Decimal(2), 0)
                await limiter.settled()
            house.admin("update meterr.tenant set time_zone = 'UTC'")
            assert [(Decimal(8), Decimal(8))] == await listed(house)
            # What this process holds of the window was lent before; it asks for more than that.
            assert not await fits(house, limiter, rule, "2.000000000000000001")
            assert await fits(house, limiter, rule, "2")

    async def test_begins_with_the_next_window_and_holds_nothing_of_this_one(
        self, house: House
    ) -> None:
        """Half-open: the window of a call that began before midnight ends at midnight."""
        rule = await budget(house, span=Span.DAY)
        spend(house, "6")
        yesterday = house.clock.unix_ms()
        house.clock.advance(24 * 3600)
        spend(house, "3")
        async with house.limiters() as (limiter,):
            principal, ask = house.principal(), Ask.of(Decimal(4), 0)
            assert await limiter.reserve(principal, [limit(rule)], ask, yesterday)
            assert await fits(house, limiter, rule, "7")

        assert Decimal(20) == house.taken(limit(rule))

    async def test_is_nothing_that_a_higher_amount_would_need(self, house: House) -> None:
        """A changed amount keeps its window, and what it holds."""
        spend(house, "6")
        first = await budget(house, "5")
        async with house.limiters() as (limiter,):
            assert not await fits(house, limiter, first, "0.01")
            again = await budget(house, "7")
            assert await fits(house, limiter, again, "1")
            assert not await fits(house, limiter, again, "0.01")

        assert (first.limit_id, Decimal(6)) == (again.limit_id, again.spent)


class TestWhoseCalls:
    @pytest.mark.parametrize(
        ("terms", "usd"),
        [
            ({}, 31),
            ({"holder": "owner", "subject": "ada"}, 15),
            ({"holder": "owner", "subject": "nobody"}, 0),
            ({"holder": "key", "subject": KEYS[0]}, 13),
            ({"model": "gpt-4.1"}, 3),
            ({"model": "GPT-4*"}, 3),
            ({"model": "gpt?4.1"}, 3),
            ({"model": "my_own%*"}, 8),
            ({"model": "*"}, 31),
            ({"holder": "owner", "subject": "ada", "model": "*own*"}, 12),
        ],
    )
    async def test_are_those_that_are_held_to_it(
        self, house: House, terms: dict[str, str], usd: int
    ) -> None:
        """By tenant, by the keys an owner has now, by key; by model as calls are held to it."""
        spend(house, "1", model="gpt-4.1")
        spend(house, "2", model="GPT-4.1", key_id=KEYS[1])
        spend(house, "4", model="my-own%-model")
        spend(house, "8", model="my_own%model")
        spend(house, "16", model="kimi", key_id=KEYS[2])
        rule = await budget(house, "40", **terms)

        assert Decimal(usd) == rule.spent

    async def test_an_owners_keys_are_those_of_now(self, house: House) -> None:
        """A key that changes hands brings what it spent."""
        spend(house, "4", key_id=KEYS[2])
        house.admin("update meterr.api_key set owner = 'ada' where key_id = %s", KEYS[2])
        assert Decimal(4) == (await budget(house, holder="owner", subject="ada")).spent

    async def test_refused_and_unpriced_calls_count_nothing(self, house: House) -> None:
        """Nobody knows what the latter cost; a window that was there kept their reservation."""
        spend(house, "1")
        none = {"cost_usd": None}
        insert(house.dsn, [entry(house.tenant, START_MS - 1, 7, state="refused", **none)])
        insert(house.dsn, [entry(house.tenant, START_MS - 1, 8, **FREE, **none)])
        assert Decimal(1) == (await budget(house)).spent

    async def test_of_other_tenants_nothing_is_counted_or_seen(self, house: House) -> None:
        """P4: the function runs with the rights of its caller."""
        other = House(house.dsn, house.admin_dsn)
        spend(house, "5")
        rule = await budget(house)
        ask = "select meterr.budget_cost(%s, %s, '-infinity', 'infinity')"
        async with house.database() as db:
            async with db.tenant_transaction(other.tenant) as connection:
                foreign = await connection.execute(ask, [house.tenant, rule.limit_id])
                assert (0,) == await foreign.fetchone()
            async with db.tenant_transaction(house.tenant) as connection:
                own = await connection.execute(ask, [house.tenant, rule.limit_id])
                assert (5,) == await own.fetchone()


class TestAWindowThatBeginsFull:
    async def test_lends_nothing_and_says_so_once(self, house: House) -> None:
        """Each step it passed is told once, however many processes ask."""
        spend(house, "9.6")
        rule = await budget(house, "8")
        async with house.limiters(3) as limiters:
            told = [await fits(house, limiter, rule, "0.01") for limiter in limiters]
        async with house.database() as db:
            events = await limit_events(db, house.tenant, ALWAYS)

        assert [False] * 3 == told
        assert Decimal("9.6") == house.taken(limit(rule))
        assert [50, 80, 95, 100] == sorted(event.percent for event in events)
        assert {Decimal("9.6")} == {event.spent for event in events}

    async def test_steps_it_has_not_passed_are_told_by_its_calls(self, house: House) -> None:
        """60 % before it was set, 90 % with what it lent."""
        spend(house, "6")
        rule = await budget(house)
        async with house.limiters() as (limiter,):
            call = await limiter.reserve(
                house.principal(), [limit(rule)], Ask.of(Decimal(3), 0), house.clock.unix_ms()
            )
            spend(house, "3", leases=list(call.leases))
        async with house.database() as db:
            events = await limit_events(db, house.tenant, ALWAYS)

        assert [(50, 6), (80, 9)] == sorted((event.percent, event.spent) for event in events)

    async def test_counts_nothing_twice_and_verifies(self, house: House) -> None:
        """P7: an entry that names a lease of the window cannot have been there before it."""
        spend(house, "6", error="price-unknown")
        rule = await budget(house)
        async with house.limiters() as (limiter,), house.database() as db:
            principal, ask = house.principal(), Ask.of(Decimal(2), 0)
            at = house.clock.unix_ms()
            call = await limiter.reserve(principal, [limit(rule)], ask, at)
            assert [(Decimal(8), Decimal(6))] == await listed(house)
            spend(house, "1.5", leases=list(call.leases))
            limiter.settle(call, Decimal("1.5"), 0)
            await limiter.settled()
            await limiter.look_around()
            await limiter.settled()
            assert [(Decimal("7.5"), Decimal("7.5"))] == await listed(house)
            report = await verify_ledger(db, [house.tenant])
            house.admin("update meterr.limit_pool set spent = spent - 0.000000000000000001")
            short = await verify_ledger(db, [house.tenant])

        assert ["pool-differs"] == [
            fault.value for fault in short.counts if fault not in report.counts
        ]

    async def test_is_made_once_by_processes_that_come_at_once(self, house: House) -> None:
        """Whoever is first makes it; the others find it, and together they lend the rest."""
        spend(house, "6")
        rule = await budget(house)
        async with house.limiters(4) as limiters:
            passed = await asyncio.gather(*(fits(house, each, rule, "1") for each in limiters * 2))

        assert (4, Decimal(10)) == (sum(passed), house.taken(limit(rule)))


edges = st.integers(-90, 60)  # half hours from START


class TestTheSum:
    @pytest.fixture
    def ledger(self, house: House) -> Sequence[tuple[int, Decimal]]:
        """A call each 37 minutes of three days: some rolled up, some due, some late."""
        rolls = Rollups(house.dsn, house.admin_dsn)
        make_partitions(house.dsn, date(2026, 11, 20), date(2026, 11, 23))
        calls = [(n * 37 * 60_000, Decimal(1).scaleb(n % 28 - 18)) for n in range(-70, 46)]
        rows = [
            entry(house.tenant, START_MS + ms, n, cost_usd=usd) for n, (ms, usd) in enumerate(calls)
        ]
        insert(house.dsn, rows[::2])
        asyncio.run(rolls.go_round(as_datetime(START_MS + 10 * HOUR_MS)))
        insert(house.dsn, rows[1:20:2])
        asyncio.run(rolls.go_round(as_datetime(START_MS)))
        insert(house.dsn, rows[21::2])
        assert rolls.due()
        return calls

    def test_is_that_of_the_entries_to_the_last_digit(
        self, house: House, ledger: Sequence[tuple[int, Decimal]]
    ) -> None:
        """P1: days, hours and raw rows, wherever the edges cut and whatever is rolled up."""
        rule = asyncio.run(budget(house, span=Span.TOTAL))
        with psycopg.connect(house.admin_dsn) as connection:

            @settings(
                max_examples=80,
                suppress_health_check=[HealthCheck.function_scoped_fixture],
            )
            @given(edges, edges)
            def check(one: int, other: int) -> None:
                since, until = sorted((one * HOUR_MS // 2, other * HOUR_MS // 2))
                row = connection.execute(
                    "select meterr.budget_cost(%s, %s, %s, %s)",
                    [
                        *(house.tenant, rule.limit_id),
                        *(as_datetime(START_MS + edge) for edge in (since, until)),
                    ],
                ).fetchone()
                assert (sum(usd for ms, usd in ledger if since <= ms < until),) == row

            check()

    def test_outlives_the_rows_that_retention_drops(
        self, house: House, ledger: Sequence[tuple[int, Decimal]]
    ) -> None:
        """A total counts from the beginning of the ledger; sums of dropped days stay."""
        rolls = Rollups(house.dsn, house.admin_dsn)
        asyncio.run(rolls.go_round(datetime(2026, 12, 1, tzinfo=UTC)))
        rolls.tell("insert into meterr.dropped_day (day) values ('2026-11-21')")
        rolls.tell("delete from meterr.ledger_entry where at::date = '2026-11-21'")
        rule = asyncio.run(budget(house, span=Span.TOTAL))

        assert sum(usd for _, usd in ledger) == rule.spent
