"""Calls of one key through one limiter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from limit_house import House

from meterr.core.limits import Limit
from meterr.core.principal import Principal
from meterr.ledger.limits import Ask, Limiter, LimitReached, Reservation

DOLLAR = Ask.of(Decimal(1), 100)


class Caller:
    """Calls of one key through one limiter."""

    def __init__(self, house: House, limiter: Limiter, principal: Principal) -> None:
        self.house, self.limiter, self.principal = house, limiter, principal

    async def reserve(self, *limits: Limit, ask: Ask = DOLLAR) -> Reservation:
        at = self.house.clock.unix_ms()
        return await self.limiter.reserve(self.principal, limits, ask, at)

    def now(self, *limits: Limit, ask: Ask = DOLLAR) -> Reservation | None:
        at = self.house.clock.unix_ms()
        return self.limiter.reserve_now(self.principal, limits, ask, at)

    async def refused(self, *limits: Limit, ask: Ask = DOLLAR) -> LimitReached:
        with pytest.raises(LimitReached) as refused:
            await self.reserve(*limits, ask=ask)
        return refused.value


@asynccontextmanager
async def caller(house: House, time_zone: str = "UTC") -> AsyncIterator[Caller]:
    async with house.limiters() as (limiter,):
        yield Caller(house, limiter, house.principal(time_zone))
