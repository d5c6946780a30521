"""What one process answers: from memory, from the database, and when that is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from limit_caller import DOLLAR, caller
from limit_house import House, until

from meterr.core.limits import Measure, Span
from meterr.ledger.limits import (
    Ask,
    LimitsUnknown,
    Reservation,
    end_limit,
    ensure_upstream_limit,
)

DAY_S = 24 * 3600


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


def remaining(reservation: Reservation) -> Sequence[Decimal]:
    return [state.remaining for state in reservation.states]


class TestFromMemory:
    async def test_a_first_call_asks_and_the_next_need_not(self, house: House) -> None:
        """The warm path has no round trip."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            assert key.now(budget) is None
            first = await key.reserve(budget)
            second = key.now(budget)

        assert second is not None
        assert first.leases == second.leases

    async def test_a_call_that_memory_cannot_serve_leaves_nothing_behind(
        self, house: House
    ) -> None:
        """All limits of a call or none."""
        wide = await house.rule(Measure.CONCURRENCY, "1000", Span.CALL)
        narrow = await house.rule(Measure.REQUESTS, "1", Span.MINUTE)
        async with caller(house) as key:
            kept = await key.reserve(wide, narrow)
            assert key.now(wide, narrow) is None
            await key.refused(wide, narrow)

        assert [Decimal(999), Decimal(0)] == remaining(kept)

    async def test_tenants_of_other_zones_share_what_has_no_days(self, house: House) -> None:
        """An upstream's limit is warm for all of them."""
        async with house.limiters() as (limiter,), house.database() as db:
            upstream = await ensure_upstream_limit(db, "kimi", 200)
            at = house.clock.unix_ms()
            await limiter.reserve(house.principal("Asia/Tokyo"), [upstream], DOLLAR, at)
            assert limiter.reserve_now(house.principal("UTC"), [upstream], DOLLAR, at)

    async def test_no_limits_need_nothing(self, house: House) -> None:
        """A key without limits costs nothing here."""
        async with caller(house) as key:
            reservation = key.now()

        assert reservation is not None
        assert ((), ()) == (reservation.leases, reservation.states)


class TestSettling:
    async def test_what_was_not_used_is_free_again_and_what_was_is_not(self, house: House) -> None:
        """One word ends a call; a second changes nothing."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        tokens = await house.rule(Measure.TOKENS, "1000", Span.MINUTE)
        async with caller(house) as key:
            call = await key.reserve(budget, tokens)
            assert [Decimal(4), Decimal(900)] == remaining(call)
            key.limiter.settle(call, Decimal("0.25"), 40)
            key.limiter.settle(call, Decimal("0.25"), 40)
            key.limiter.release(call)

        assert [Decimal("4.75"), Decimal(960)] == remaining(call)

    async def test_a_call_that_never_left_counts_nowhere(self, house: House) -> None:
        """The request itself comes back, too."""
        rules = [
            await house.rule(Measure.USD, "5", Span.MONTH),
            await house.rule(Measure.REQUESTS, "10", Span.MINUTE),
            await house.rule(Measure.TOKENS, "1000", Span.MINUTE),
            await house.rule(Measure.CONCURRENCY, "10", Span.CALL),
        ]
        async with caller(house) as key:
            call = await key.reserve(*rules)
            key.limiter.release(call)

        assert [rule.amount for rule in rules] == remaining(call)

    async def test_a_rate_counts_from_when_a_call_left_not_from_when_it_was_let_through(
        self, house: House
    ) -> None:
        """It waited for another limit, the disk or a connection: the provider sees it later."""
        rate = await house.rule(Measure.REQUESTS, "2", Span.MINUTE)
        async with caller(house) as key:
            slow, quick = await key.reserve(rate), await key.reserve(rate)
            key.limiter.leave(quick)
            house.clock.advance(5)
            key.limiter.leave(slow)
            key.limiter.settle(slow, Decimal(0), 0)
            house.clock.advance(55)
            assert await key.reserve(rate)
            refused = await key.refused(rate)
            house.clock.advance(5)
            assert await key.reserve(rate)

        assert 5 == refused.retry_after_s

    async def test_a_call_that_waited_for_longer_than_its_minute_is_counted_anew(
        self, house: House
    ) -> None:
        """Its permit may be another's by then: what it takes is owed, and others wait for it."""
        rate = await house.rule(Measure.REQUESTS, "1", Span.MINUTE)
        async with caller(house) as key:
            slow = await key.reserve(rate)
            house.clock.advance(61)
            await key.limiter.look_around()
            await key.limiter.settled()
            key.limiter.leave(slow)
            await key.limiter.look_around()
            await key.limiter.settled()
            assert 1 == house.taken(rate)
            await key.refused(rate)

    async def test_a_call_that_cost_more_than_was_reserved_is_told_to_the_window(
        self, house: House
    ) -> None:
        """The truth stands, over the limit if need be; then nothing more passes."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        async with caller(house) as key:
            call = await key.reserve(budget)
            key.limiter.settle(call, Decimal("5.5"), 0)
            await until(lambda: house.taken(budget) == Decimal("5.5"))
            refused = await key.refused(budget, ask=Ask.of(Decimal("0.000001"), 0))

        assert (402, "budget-reached") == (refused.status, refused.code)

    async def test_a_budget_that_refuses_names_the_end_of_its_window(self, house: House) -> None:
        """402 for budgets, and when it begins anew."""
        budget = await house.rule(Measure.USD, "0.5", Span.WEEK)
        async with caller(house, "America/New_York") as key:
            refused = await key.refused(budget)

        assert "The week budget of 0.5 USD of this tenant has 0.5 USD left" in refused.detail
        assert refused.detail.endswith("It begins anew at 2026-11-23T05:00:00Z.")
        assert (17 * 3600, None) == (refused.state.resets_in_s, refused.retry_after_s)

    async def test_a_cost_without_a_bound_does_not_pass_a_hard_budget(self, house: House) -> None:
        """A soft one only counts it."""
        hard = await house.rule(Measure.USD, "5", Span.MONTH)
        async with caller(house) as key:
            refused = await key.refused(hard, ask=Ask.of(None, 10))
            soft = await house.rule(Measure.USD, "5", Span.MONTH, hard=False)
            passed = await key.reserve(soft, ask=Ask.of(None, 10))

        assert (402, "cost-unbounded", "unbounded") == (
            refused.status,
            refused.code,
            refused.reason,
        )
        assert 1 == len(passed.leases)


class TestSoftLimits:
    async def test_they_refuse_nothing_and_count_everything(self, house: House) -> None:
        """Spent and events must be right."""
        soft = await house.rule(Measure.USD, "2", Span.MONTH, hard=False)
        async with caller(house) as key:
            calls = [await key.reserve(soft) for _ in range(5)]
            for call in calls:
                key.limiter.settle(call, Decimal(1), 0)
            await until(lambda: house.taken(soft) >= 5)
            await key.limiter.settled()  # the window has said so, and the process has heard it

        assert 1 == len({call.leases for call in calls})
        assert Decimal(0) == calls[-1].states[0].remaining


class TestWindows:
    async def test_a_new_day_is_a_new_budget_and_a_call_keeps_its_own(self, house: House) -> None:
        """By the call's own time, in the tenant's zone: half-open."""
        budget = await house.rule(Measure.USD, "1", Span.DAY)
        async with caller(house, "Asia/Tokyo") as key:
            to_midnight = 3 * 3600
            late = await key.reserve(budget)
            house.clock.advance(to_midnight - 0.001)
            await key.refused(budget)
            house.clock.advance(0.001)
            early = await key.reserve(budget)
            key.limiter.settle(late, Decimal("0.5"), 0)
            await key.refused(budget)

        assert late.leases != early.leases
        starts = house.admin("select starts_at::text from meterr.limit_pool order by starts_at")
        assert [("2026-11-21 15:00:00+00",), ("2026-11-22 15:00:00+00",)] == starts

    async def test_a_total_never_begins_anew(self, house: House) -> None:
        """For ever is for ever."""
        budget = await house.rule(Measure.USD, "1", Span.TOTAL)
        async with caller(house) as key:
            await key.reserve(budget)
            house.clock.advance(400 * DAY_S)
            refused = await key.refused(budget)

        assert refused.detail.endswith("It does not renew by itself.")

    async def test_an_unknown_zone_is_the_operators_fault_not_the_callers(
        self, house: House
    ) -> None:
        """503, and never a free call."""
        budget = await house.rule(Measure.USD, "1", Span.DAY)
        async with caller(house, "Nowhere/At_All") as key:
            with pytest.raises(LimitsUnknown) as unknown:
                await key.reserve(budget)

        assert "Nowhere/At_All" in unknown.value.private


class TestChangedRules:
    async def test_a_lower_amount_holds_from_the_next_call_on(self, house: House) -> None:
        """Slices lent under the higher amount go back first."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            await key.reserve(budget)
            assert key.now(budget) is not None
            lower = await house.rule(Measure.USD, "3", Span.MONTH)
            assert key.now(lower) is None
            await key.reserve(lower)
            refused = await key.refused(lower)

        assert Decimal(3) == house.taken(budget) == refused.limit.amount

    async def test_a_higher_amount_lets_calls_pass_again(self, house: House) -> None:
        """At once."""
        budget = await house.rule(Measure.USD, "1", Span.MONTH)
        async with caller(house) as key:
            await key.reserve(budget)
            await key.refused(budget)
            higher = await house.rule(Measure.USD, "2", Span.MONTH)
            assert await key.reserve(higher)

    async def test_a_soft_limit_made_hard_refuses(self, house: House) -> None:
        """And the other way round."""
        soft = await house.rule(Measure.USD, "1", Span.MONTH, hard=False)
        async with caller(house) as key:
            await key.reserve(soft)
            await key.reserve(soft)
            hard = await house.rule(Measure.USD, "1", Span.MONTH)
            await key.refused(hard)
            await house.rule(Measure.USD, "1", Span.MONTH, hard=False)
            assert await key.reserve(replace(hard, hard=False))

    async def test_what_was_lent_while_a_limit_was_soft_is_not_used_once_it_is_hard(
        self, house: House
    ) -> None:
        """P3, attack: a slice from beyond the amount would let calls pass that nothing covers."""
        cent = Ask.of(Decimal("0.01"), 100)
        soft = await house.rule(Measure.USD, "5", Span.MONTH, hard=False)
        async with caller(house) as key, caller(house) as other:
            await other.reserve(soft, ask=Ask.of(Decimal(6), 100))
            await key.reserve(soft, ask=cent)
            assert key.now(soft, ask=cent) is not None
            hard = await house.rule(Measure.USD, "5", Span.MONTH)

            await key.refused(hard, ask=cent)

    async def test_an_ended_rule_holds_nobody(self, house: House) -> None:
        """Even a process that has not heard of its end yet."""
        budget = await house.rule(Measure.USD, "1", Span.MONTH)
        async with caller(house) as key, house.database() as db:
            await end_limit(db, house.tenant, budget.limit_id)
            first = await key.reserve(budget)
            second = key.now(budget)

        assert second is not None
        assert () == first.leases == second.leases


class TestLeavingCleanly:
    async def test_a_stopped_limiter_gives_back_all_that_is_not_in_use(self, house: House) -> None:
        """What runs on, and what cools, stays taken."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        rate = await house.rule(Measure.REQUESTS, "1000", Span.MINUTE)
        async with caller(house) as key:
            running = asyncio.create_task(key.limiter.run())
            await key.reserve(budget, rate)
            running.cancel()
            await asyncio.wait([running])

        assert (Decimal(1), Decimal(1)) == (house.taken(budget), house.taken(rate))

    async def test_what_nobody_draws_from_goes_back_after_a_while(self, house: House) -> None:
        """An idle process keeps nothing from the others."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            key.limiter.settle(await key.reserve(budget), Decimal(1), 0)
            assert house.taken(budget) > 1
            for _ in range(6):
                await key.limiter.look_around()
            await key.limiter.settled()

        assert Decimal(1) == house.taken(budget)
