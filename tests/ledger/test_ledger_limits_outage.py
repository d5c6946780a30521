"""Limits when the database is away, silent, or answers too late."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from cut_line import a_line
from limit_caller import DOLLAR, caller
from limit_house import House, until

from meterr.core.db import Database, Role
from meterr.core.limits import Measure, Span
from meterr.ledger.limits import Ask, Limiter, LimitsUnknown, OnOutage


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


@pytest.fixture
async def postgres_away(tmp_path) -> AsyncIterator[Database]:
    """A database whose server is not there."""
    async with Database.open(f"host={tmp_path} dbname=none user=none", Role.APP) as db:
        yield db


class TestOutage:
    async def test_a_process_lives_on_what_it_holds_and_then_refuses(self, house: House) -> None:
        """503 with Retry-After: never 401, never free; and it goes on when the database is back."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            await key.reserve(budget)
            house.let_in(0)
            passed = 0
            while key.now(budget):
                passed += 1
            with pytest.raises(LimitsUnknown) as unknown:
                await key.reserve(budget)
            house.let_in(-1)
            assert await key.reserve(budget)

        assert (14, 503, 2) == (passed, unknown.value.status, unknown.value.retry_after_s)

    async def test_a_process_that_holds_nothing_refuses_at_once(
        self, house: House, postgres_away: Database
    ) -> None:
        """Whatever it never heard of is not free."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        principal, at = house.principal(), house.clock.unix_ms()
        limiter = Limiter(postgres_away, principal.key_id, house.clock, on_outage=OnOutage.REFUSE)
        with pytest.raises(LimitsUnknown):
            await limiter.reserve(principal, [budget], DOLLAR, at)

    async def test_a_soft_limit_refuses_nothing_even_then(
        self, house: House, postgres_away: Database
    ) -> None:
        """What cannot be counted passes, where a limit only counts."""
        soft = await house.rule(Measure.USD, "1", Span.MONTH, hard=False)
        principal, at = house.principal(), house.clock.unix_ms()
        limiter = Limiter(postgres_away, principal.key_id, house.clock, on_outage=OnOutage.REFUSE)
        passed = await limiter.reserve(principal, [soft], DOLLAR, at)

        assert () == passed.leases

    async def test_a_process_that_could_not_renew_uses_nothing_it_holds(self, house: House) -> None:
        """No permit after its expiry: others may have it."""
        rate = await house.rule(Measure.REQUESTS, "1000", Span.MINUTE)
        async with caller(house) as key:
            await key.reserve(rate)
            house.clock.advance(24)
            assert key.now(rate) is not None
            house.clock.advance(1)
            assert key.now(rate) is None
            house.admin("delete from meterr.limit_lease")
            house.admin("update meterr.limit_pool set taken = 0")
            await key.reserve(rate)

        assert house.taken(rate) == house.held(rate)

    async def test_calls_that_outlive_their_lease_are_counted_anew(self, house: House) -> None:
        """They run, whatever became of the lease: so others may not start as many beside them."""
        rule = await house.rule(Measure.CONCURRENCY, "3", Span.CALL)
        async with caller(house) as key:
            calls = [await key.reserve(rule) for _ in range(2)]
            house.clock.advance(26)
            house.admin("delete from meterr.limit_lease")
            house.admin("update meterr.limit_pool set taken = 0")
            await key.reserve(rule)
            await key.refused(rule)
            for call in calls:
                key.limiter.settle(call, Decimal(0), 0)
            await key.limiter.look_around()
            await key.limiter.settled()

        assert Decimal(1) == house.taken(rule)

    async def test_what_one_limit_gave_comes_back_when_another_is_unknown(
        self, house: House
    ) -> None:
        """The call never left, so it counts nowhere."""
        warm = await house.rule(Measure.CONCURRENCY, "1", Span.CALL)
        cold = await house.rule(Measure.USD, "1", Span.DAY)
        async with caller(house) as key:
            kept = await key.reserve(warm)
            key.limiter.release(kept)
            broken = replace(key.principal, time_zone="Nowhere/At_All")
            with pytest.raises(LimitsUnknown):
                await key.limiter.reserve(broken, [warm, cold], DOLLAR, house.clock.unix_ms())
            assert await key.reserve(warm)

    async def test_a_lost_answer_is_found_again(self, house: House) -> None:
        """The grant was written, its answer never came: asked again, it is all there."""
        budget = await house.rule(Measure.USD, "1", Span.MONTH)
        async with caller(house) as key:
            await key.reserve(budget, ask=Ask.of(Decimal("0.25"), 0))
            # As a grant looks whose COMMIT was answered by silence.
            house.admin("update meterr.limit_lease set granted = granted + 0.75")
            house.admin("update meterr.limit_pool set taken = taken + 0.75")
            assert await key.reserve(budget, ask=Ask.of(Decimal("0.75"), 0))
            await key.refused(budget, ask=Ask.of(Decimal("0.01"), 0))

        assert Decimal(1) == house.taken(budget)

    async def test_a_process_that_falls_silent_holds_no_window(
        self, database_url: str, admin_dsn: str
    ) -> None:
        """An exchange is one message: paused before or after it, nobody waits for its process."""
        async with a_line(database_url) as (line, dsn):
            house = House(dsn, admin_dsn)
            house.settle_in()
            budget = await house.rule(Measure.USD, "1", Span.MONTH)
            async with caller(house) as key:
                await key.reserve(budget, ask=Ask.of(Decimal("0.9"), 0))
                before, asked = line.messages, key.limiter.exchanges
                await key.refused(budget, ask=Ask.of(Decimal("0.9"), 0))
                assert (1, 1) == (key.limiter.exchanges - asked, line.messages - before)

    async def test_a_caller_that_gives_up_loses_no_answer(self, house: House) -> None:
        """The exchange goes on; what it brings is there for the next."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            waiting = asyncio.create_task(key.reserve(budget))
            await until(lambda: key.limiter.exchanges == 1)
            waiting.cancel()
            await asyncio.wait([waiting])
            await key.limiter.settled()
            assert key.now(budget) is not None

    async def test_many_who_wait_share_one_exchange(self, house: House) -> None:
        """A cold limit is no stampede."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            await asyncio.gather(*(key.reserve(budget) for _ in range(100)))
            asked = key.limiter.exchanges

        assert asked <= 3
