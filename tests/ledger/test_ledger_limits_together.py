"""Several processes and one limit, on a real database, with sessions killed in between."""

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from cut_line import a_line
from limit_house import House, until

from meterr.core.clock import SystemClock
from meterr.core.limits import Limit, Measure, Span
from meterr.core.principal import Principal
from meterr.ledger.limits import Ask, Limiter, LimitReached, LimitsUnknown, Reservation

FIVE = Decimal(5)


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


class Fire:
    """Calls of random cost from all limiters at once, and what is known of them at any time."""

    def __init__(self, house: House, limits: Sequence[Limit], seed: int) -> None:
        self.house = house
        self.limits = limits
        self.principal: Principal = house.principal()
        self.spent = Decimal(0)
        self.reserved = Decimal(0)
        self.highest = Decimal(0)
        self.passed = self.refused = self.unknown = 0
        self.random = random.Random(seed)

    async def caller(self, limiter: Limiter, calls: int) -> None:
        for _ in range(calls):
            bound = Decimal(self.random.randint(1, 60_000)).scaleb(-6)
            reservation = await self.reserve(limiter, bound)
            if reservation is not None:
                await asyncio.sleep(self.random.random() / 100)
                self.settle(limiter, reservation, bound)

    async def reserve(self, limiter: Limiter, bound: Decimal) -> Reservation | None:
        ask, at = Ask.of(bound, 10), self.house.clock.unix_ms()
        reservation = limiter.reserve_now(self.principal, self.limits, ask, at)
        try:
            if reservation is None:
                reservation = await limiter.reserve(self.principal, self.limits, ask, at)
        except LimitReached:
            self.refused += 1
            return None
        except LimitsUnknown:
            self.unknown += 1
            return None
        self.passed += 1
        self.reserved += bound
        self.highest = max(self.highest, self.spent + self.reserved)
        return reservation

    def settle(self, limiter: Limiter, reservation: Reservation, bound: Decimal) -> None:
        cost = bound * self.random.randint(0, 100) / 100
        limiter.settle(reservation, cost, 10)
        self.reserved -= bound
        self.spent += cost


class TestOneBudgetOfFiveDollars:
    async def test_four_processes_never_pass_it_and_can_use_nine_tenths(self, house: House) -> None:
        """P3, and a limit that refuses early is also wrong."""
        budget = await house.rule(Measure.USD, "5", Span.TOTAL)  # never pruned
        async with house.limiters(4, SystemClock()) as limiters:
            fire = Fire(house, [budget], seed=1)
            running = [asyncio.create_task(limiter.run()) for limiter in limiters]
            sampled = asyncio.create_task(highest_taken(house, budget))
            await asyncio.gather(*(fire.caller(each, 40) for each in limiters * 8))
            await small_change(fire, limiters)
            sampled.cancel()
            await stop(running)

        assert fire.refused > 0
        assert fire.highest <= FIVE
        assert fire.reserved == 0
        assert Decimal("4.5") <= fire.spent <= house.taken(budget) <= FIVE
        assert house.taken(budget) == house.held(budget)

    async def test_killed_sessions_change_nothing_of_that(self, house: House) -> None:
        """Every few milliseconds all sessions end, in the middle of whatever they do."""
        budget = await house.rule(Measure.USD, "5", Span.TOTAL)  # never pruned
        async with house.limiters(4, SystemClock()) as limiters:
            fire = Fire(house, [budget], seed=2)
            running = [asyncio.create_task(limiter.run()) for limiter in limiters]
            over = asyncio.Event()
            killer = asyncio.create_task(kill_sessions(house, over))
            await asyncio.gather(*(fire.caller(each, 40) for each in limiters * 8))
            over.set()
            await killer  # or its last blow falls on what follows
            await small_change(fire, limiters)
            await stop(running)

        assert fire.unknown > 0
        assert fire.highest <= FIVE
        assert Decimal("4.5") <= fire.spent <= house.taken(budget) <= FIVE
        assert house.taken(budget) == house.held(budget)

    async def test_what_a_dead_process_held_is_nobodys_until_it_is_closed(
        self, house: House
    ) -> None:
        """Its journal may say that it was spent; once that is read, the rest comes back."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        principal, at = house.principal(), house.clock.unix_ms()
        async with house.limiters(2) as (dead, living):
            await dead.reserve(principal, [budget], Ask.of(Decimal(2), 0), at)
            kept = await living.reserve(principal, [budget], Ask.of(Decimal(3), 0), at)
            with pytest.raises(LimitReached):
                await living.reserve(principal, [budget], Ask.of(Decimal("0.01"), 0), at)
            process = house.admin(
                "select process from meterr.limit_lease where lease_id <> %s", *kept.leases
            )[0]
            close = "select usd from meterr.close_process(%s)"
            assert [(2,)] == house.admin(close, *process)
            assert [] == house.admin(close, *process)
            again = await living.reserve(principal, [budget], Ask.of(Decimal(2), 0), at)

        assert FIVE == house.taken(budget)
        assert 1 == len(again.leases)


class TestALostAnswer:
    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_to_a_commit_neither_doubles_a_grant_nor_loses_it(
        self, database_url: str, admin_dsn: str, when: str
    ) -> None:
        """The lease's totals say what was granted, whatever became of the answer."""
        async with a_line(database_url) as (line, dsn):
            house = House(dsn, admin_dsn)
            house.settle_in()
            budget = await house.rule(Measure.USD, "1", Span.MONTH)
            principal, at = house.principal(), house.clock.unix_ms()
            async with house.limiters() as (limiter,):
                await limiter.reserve(principal, [budget], Ask.of(Decimal("0.4"), 0), at)
                line.at, line.cut = b"exchange_lease", when
                with pytest.raises(LimitsUnknown):
                    await limiter.reserve(principal, [budget], Ask.of(Decimal("0.6"), 0), at)
                assert Decimal("0.4" if when == "before" else "1") == house.taken(budget)
                await limiter.reserve(principal, [budget], Ask.of(Decimal("0.6"), 0), at)
                assert Decimal(1) == house.taken(budget)

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_to_a_return_never_returns_twice_nor_spends_what_went_back(
        self, database_url: str, admin_dsn: str, when: str
    ) -> None:
        """What was named as returned is not used again, and is named again until it is heard."""
        async with a_line(database_url) as (line, dsn):
            house = House(dsn, admin_dsn)
            house.settle_in()
            budget = await house.rule(Measure.USD, "1", Span.MONTH)
            principal, at = house.principal(), house.clock.unix_ms()
            async with house.limiters(2) as (limiter, other):
                call = await limiter.reserve(principal, [budget], Ask.of(Decimal(1), 0), at)
                line.at, line.cut = b"exchange_lease", when
                limiter.settle(call, Decimal("0.25"), 0)
                await until(lambda: line.cut is None)
                await limiter.settled()
                await limiter.look_around()
                await limiter.settled()
                assert Decimal("0.25") == house.taken(budget)
                await other.reserve(principal, [budget], Ask.of(Decimal("0.75"), 0), at)
                with pytest.raises(LimitReached):
                    await limiter.reserve(principal, [budget], Ask.of(Decimal("0.01"), 0), at)


class TestSixtyRequestsAMinute:
    async def test_four_processes_let_sixty_through_in_any_minute(self, house: House) -> None:
        """Neither 61 in a minute nor fewer than 60; then the same again when they have cooled."""
        rate = await house.rule(Measure.REQUESTS, "60", Span.MINUTE)
        async with house.limiters(4) as limiters:
            passed: list[float] = []
            for _ in range(3):
                before = len(passed)
                await asyncio.gather(
                    *(burst(house, each, rate, passed, 10) for each in limiters * 4)
                )
                assert 60 == len(passed) - before
                house.clock.advance(59.9)
                await asyncio.gather(*(burst(house, each, rate, passed, 2) for each in limiters))
                assert 60 == len(passed) - before
                house.clock.advance(0.2)
                await give_back(limiters, house)

        assert 180 == len(passed)

    async def test_a_refused_call_is_told_when_to_come_again(self, house: House) -> None:
        """From what we used ourselves: to the second."""
        rate = await house.rule(Measure.REQUESTS, "2", Span.MINUTE)
        principal = house.principal()
        async with house.limiters() as (limiter,):
            for _ in range(2):
                await limiter.reserve(principal, [rate], Ask.of(None, 0), house.clock.unix_ms())
                house.clock.advance(10)
            with pytest.raises(LimitReached) as refused:
                await limiter.reserve(principal, [rate], Ask.of(None, 0), house.clock.unix_ms())

        assert (429, "rate-limit-reached") == (refused.value.status, refused.value.code)
        assert 40 == refused.value.retry_after_s
        assert (0, 50.0) == refused.value.state[1:]

    async def test_a_hundred_tokens_hold_one_call_of_sixty(self, house: House) -> None:
        """Of five at once one passes; the next passes when the minute has moved on."""
        rate = await house.rule(Measure.TOKENS, "100", Span.MINUTE)
        principal = house.principal()
        async with house.limiters(2) as limiters:
            ask, at = Ask.of(None, 60), house.clock.unix_ms()
            made = await asyncio.gather(
                *(each.reserve(principal, [rate], ask, at) for each in (limiters * 3)[:5]),
                return_exceptions=True,
            )
            assert 4 == sum(isinstance(each, LimitReached) for each in made)
            house.clock.advance(60.1)
            await give_back(limiters, house)
            assert await limiters[1].reserve(principal, [rate], ask, at)


class TestConcurrency:
    async def test_permits_move_between_processes_as_calls_end(self, house: House) -> None:
        """Three at once, wherever they run."""
        rule = await house.rule(Measure.CONCURRENCY, "3", Span.CALL)
        principal, at, ask = house.principal(), house.clock.unix_ms(), Ask.of(None, 0)
        async with house.limiters(3) as limiters:
            calls = [await each.reserve(principal, [rule], ask, at) for each in limiters]
            with pytest.raises(LimitReached) as refused:
                await limiters[0].reserve(principal, [rule], ask, at)
            limiters[1].settle(calls[1], Decimal(0), 0)
            await until(lambda: house.taken(rule) == 2)
            assert await limiters[0].reserve(principal, [rule], ask, at)

        assert (429, "concurrency-reached") == (refused.value.status, refused.value.code)
        assert 3 == house.taken(rule)


async def burst(
    house: House, limiter: Limiter, rate: Limit, passed: list[float], calls: int
) -> None:
    principal = house.principal()
    for _ in range(calls):
        at = house.clock.unix_ms()
        try:
            reservation = limiter.reserve_now(principal, [rate], Ask.of(None, 0), at)
            if reservation is None:
                reservation = await limiter.reserve(principal, [rate], Ask.of(None, 0), at)
        except LimitReached:
            continue
        passed.append(house.clock.monotonic())
        limiter.settle(reservation, Decimal(0), 0)


async def give_back(limiters: Sequence[Limiter], house: House) -> None:
    """Let every limiter look around once, as its ``run`` does each second."""
    for limiter in limiters:
        await limiter.look_around()
    await asyncio.gather(*(limiter.settled() for limiter in limiters))


async def small_change(fire: Fire, limiters: Sequence[Limiter]) -> None:
    """Use what is left in small calls, until none of the processes lets one through."""
    refused = 0
    while refused < 8:
        limiter = limiters[refused % len(limiters)]
        bound = Decimal("0.01")
        reservation = await fire.reserve(limiter, bound)
        if reservation is None:
            refused += 1
        else:
            refused = 0
            limiter.settle(reservation, bound, 10)
            fire.reserved -= bound
            fire.spent += bound


async def highest_taken(house: House, limit: Limit) -> None:
    """Sample what is taken, again and again."""
    while True:
        taken = await asyncio.to_thread(house.taken, limit)
        assert taken <= limit.amount
        await asyncio.sleep(0.005)


async def kill_sessions(house: House, over: asyncio.Event) -> None:
    while not over.is_set():
        await asyncio.to_thread(house.kill_sessions)
        await asyncio.sleep(0.015)


async def stop(running: Sequence[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.wait(running)
