"""A peak of one process must not starve the others: what it keeps is two slices."""

from decimal import Decimal

import pytest
from limit_house import House

from meterr.core.limits import Limit, Measure, Span
from meterr.ledger.limits import Ask, Limiter, LimitReached


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


async def calls_until_refused(limiter: Limiter, house: House, budget: Limit, cost: Decimal) -> int:
    """Make calls that cost what they reserve, one after the other; return how many passed."""
    principal, at, passed = house.principal(), house.clock.unix_ms(), 0
    while True:
        try:
            call = await limiter.reserve(principal, [budget], Ask.of(cost, 0), at)
        except LimitReached:
            return passed
        limiter.settle(call, cost, 0)
        passed += 1


async def test_what_a_peak_borrowed_goes_back_when_it_is_over(house: House) -> None:
    """Fifty calls at once reserve half a budget; when they have cost little, others can use it."""
    budget = await house.rule(Measure.USD, "5", Span.MONTH)
    principal, at = house.principal(), house.clock.unix_ms()
    async with house.limiters(2) as (peak, other):
        ask = Ask.of(Decimal("0.05"), 0)
        calls = [await peak.reserve(principal, [budget], ask, at) for _ in range(50)]
        assert house.taken(budget) >= Decimal("2.5")
        for call in calls:
            peak.settle(call, Decimal("0.001"), 0)
        await peak.look_around()
        await peak.settled()
        assert house.taken(budget) <= Decimal("0.05") + 2 * Decimal(5) / 64

        used = await calls_until_refused(other, house, budget, Decimal("0.1"))
    assert used >= 46


async def test_calls_of_all_processes_reach_nine_tenths_in_any_order(house: House) -> None:
    """Each process holds back what it has ready; together less than a tenth."""
    budget = await house.rule(Measure.USD, "5", Span.MONTH)
    principal, at = house.principal(), house.clock.unix_ms()
    spent = Decimal(0)
    async with house.limiters(4) as limiters:
        for limiter in limiters:
            # One small call each, and then nothing more of the first three.
            call = await limiter.reserve(principal, [budget], Ask.of(Decimal("0.001"), 0), at)
            limiter.settle(call, Decimal("0.001"), 0)
            spent += Decimal("0.001")
        passed = await calls_until_refused(limiters[-1], house, budget, Decimal("0.01"))

    spent += passed * Decimal("0.01")
    assert Decimal("4.5") <= spent <= Decimal(5)
