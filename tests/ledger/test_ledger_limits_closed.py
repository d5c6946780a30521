"""A process that was closed borrows no more, whatever of it is still on its way."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from limit_caller import DOLLAR, caller
from limit_house import House, until

from meterr.core.limits import Limit, Measure, Span
from meterr.core.sql import load_sql
from meterr.ledger.limits import LimitsUnknown
from meterr.ledger.limits.window import EPOCH

SQL = load_sql("meterr.ledger.limits")
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


@asynccontextmanager
async def connected(house: House, *roles: str) -> AsyncIterator[list[psycopg.AsyncConnection]]:
    """A connection for each role."""
    async with AsyncExitStack() as stack:
        made = []
        for role in roles:
            opening = psycopg.AsyncConnection.connect(house.dsn, autocommit=True)
            connection = await stack.enter_async_context(await opening)
            await connection.execute(f"set role {role}")
            made.append(connection)
        yield made


async def borrow(connection: psycopg.AsyncConnection, house: House, limit: Limit, by: str) -> None:
    """Take a dollar, as a process does that holds nothing yet."""
    fields = {"tenant_id": house.tenant, "limit_id": limit.limit_id, "process": by}
    fields |= {"starts_at": EPOCH, "ends_at": "infinity", "lease_id": None}
    fields |= dict.fromkeys(("known_granted", "parted_with", "owed"), 0)
    fields |= dict.fromkeys(("want", "need", "least_need"), 1)
    await connection.execute(SQL["exchange_lease"], fields)


async def close(connection: psycopg.AsyncConnection, process: str) -> None:
    await connection.execute("select meterr.close_process(%s)", [process])


async def one_waits(house: House) -> None:
    await until(lambda: house.admin(WAITING) == [(1,)])


class TestAnExchangeAndTheCloseOfItsProcess:
    async def test_an_exchange_that_began_before_is_given_back_by_the_close(
        self, house: House
    ) -> None:
        """P3, and nothing lost: the close waits for it, sees its lease and returns it."""
        budget, process = await house.rule(Measure.USD, "5", Span.TOTAL), str(uuid.uuid4())
        async with connected(house, "meterr_app", "meterr_drain") as (one, other):
            async with one.transaction():
                await borrow(one, house, budget, process)
                closing = asyncio.create_task(close(other, process))
                await one_waits(house)
            await closing

        assert (0, 0) == (house.taken(budget), house.held(budget))

    async def test_an_exchange_that_comes_after_is_refused(self, house: House) -> None:
        """It waits for the close, finds its process closed, and takes nothing."""
        budget, process = await house.rule(Measure.USD, "5", Span.TOTAL), str(uuid.uuid4())
        async with connected(house, "meterr_app", "meterr_drain") as (one, other):
            async with other.transaction():
                await close(other, process)
                borrowing = asyncio.create_task(borrow(one, house, budget, process))
                await one_waits(house)
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                await borrowing

        assert (0, 0) == (house.taken(budget), house.held(budget))

    async def test_nobody_else_waits_for_either(self, house: House) -> None:
        """Exchanges of one process with two windows, and the close of another, side by side."""
        budgets = [await house.rule(Measure.USD, "5", span) for span in (Span.TOTAL, Span.DAY)]
        process = str(uuid.uuid4())
        async with connected(house, "meterr_app", "meterr_app", "meterr_drain") as (
            one,
            two,
            other,
        ):
            await one.execute(SQL["renew_leases"], {"process": process})
            async with one.transaction():
                await borrow(one, house, budgets[0], process)
                await borrow(two, house, budgets[1], process)
                await close(other, str(uuid.uuid4()))

        assert [1, 1] == [house.taken(each) for each in budgets]


class TestALivingProcess:
    async def test_that_finds_itself_closed_at_an_exchange_uses_nothing_it_holds(
        self, house: House
    ) -> None:
        """Fail closed: what it held went back to others; 503 until it starts under another name."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            await key.reserve(budget)
            assert key.now(budget) is not None
            give_up_everybody(house)
            while key.now(budget) is not None:
                pass
            with pytest.raises(LimitsUnknown) as unknown:
                await key.reserve(budget)
            assert "closed" in unknown.value.private
            assert (503, 0) == (unknown.value.status, house.taken(budget))

    async def test_that_finds_itself_closed_at_a_sign_of_life_uses_nothing_it_holds(
        self, house: House
    ) -> None:
        """Within the 8 s between two of them: all its windows, also those it need not ask."""
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        rate = await house.rule(Measure.REQUESTS, "1000", Span.MINUTE)
        async with caller(house) as key:
            await key.reserve(budget, rate)
            assert key.now(budget) is not None
            give_up_everybody(house)
            await key.limiter.renew()
            assert (None, None) == (key.now(budget), key.now(rate))
            assert key.limiter.closed
            for limit in (budget, rate):
                with pytest.raises(LimitsUnknown):
                    await key.reserve(limit)

    async def test_a_soft_limit_refuses_nothing_even_then(self, house: House) -> None:
        """It only counts, and nobody counts for this process any more."""
        soft = await house.rule(Measure.USD, "1000", Span.MONTH, hard=False)
        async with caller(house) as key:
            await key.reserve(soft)
            give_up_everybody(house)
            await key.limiter.renew()
            passed = await key.reserve(soft, ask=DOLLAR)

        assert () == passed.leases


class TestSignsOfLife:
    async def test_come_with_the_first_lease_and_then_by_themselves(self, house: House) -> None:
        """Also of a process that holds budgets only."""
        seen = (
            "select count(*), max(seen_at) > now() - interval '1 minute' from meterr.limit_process"
        )
        budget = await house.rule(Measure.USD, "1000", Span.MONTH)
        async with caller(house) as key:
            await key.limiter.renew()
            assert [(0, None)] == house.admin(seen)
            await key.reserve(budget)
            assert [(1, True)] == house.admin(seen)
            house.admin("update meterr.limit_process set seen_at = now() - interval '1 hour'")
            await key.limiter.renew()
            assert [(1, True)] == house.admin(seen)

    async def test_a_process_is_forgotten_after_62_days_of_silence_but_not_once_closed(
        self, house: House
    ) -> None:
        """One that holds something stays too; one that was closed may never borrow again."""
        budget = await house.rule(Measure.USD, "5", Span.TOTAL)
        silent, closed, holding = (str(uuid.uuid4()) for _ in range(3))
        async with connected(house, "meterr_app") as (one,):
            await one.execute(SQL["renew_leases"], {"process": silent})
            await borrow(one, house, budget, holding)
            house.admin("select meterr.close_process(%s)", closed)
            long_ago = "now() - interval '63 days'"
            house.admin(f"update meterr.limit_process set seen_at = {long_ago}")
            house.admin(
                f"update meterr.limit_process set closed_at = {long_ago} where process = %s", closed
            )
            await one.execute(SQL["prune_limits"])
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                await borrow(one, house, budget, closed)
        left = house.admin("select process::text from meterr.limit_process")

        assert {closed, holding} == {process for (process,) in left}


def give_up_everybody(house: House) -> None:
    house.admin("select meterr.close_process(process) from meterr.limit_process")
