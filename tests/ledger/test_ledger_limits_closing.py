"""The drain spends leases with the entries that name them, and closes processes it has read."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from drain_house import House as Drains
from journal_samples import PRICE, TENANT, a_settled, an_opened
from limit_house import House

from meterr.core.limits import Limit, Measure, Span
from meterr.ledger.journal import Journal, folder
from meterr.ledger.limits import Ask, Limiter, OnOutage, Reservation

DOLLAR = Ask.of(Decimal(1), 0)


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn, tenant=TENANT)
    made.settle_in()
    return made


@pytest.fixture
def drains(tmp_path: Path, database_url: str, admin_dsn: str) -> Drains:
    return Drains(tmp_path / "journal", database_url, admin_dsn)


async def reserve(house: House, process: str, *limits: Limit, calls: int) -> list[Reservation]:
    """Calls of one process, each of a dollar at most, that are let through and do not end."""
    async with house.database() as db:
        limiter = Limiter(db, process, house.clock, on_outage=OnOutage.REFUSE)
        at = house.clock.unix_ms()
        return [await limiter.reserve(house.principal(), limits, DOLLAR, at) for _ in range(calls)]


def write(journal: Journal, drains: Drains, call: Reservation, cost: str | None) -> None:
    """Write a call to the journal; without a cost it is still open."""
    call_id = drains.ids.new()
    journal.opened(an_opened(call_id, leases=call.leases), PRICE)
    if cost is not None:
        journal.settled(a_settled(call_id, cost=cost, leases=call.leases), PRICE)
    journal.flush()


def spent(house: House) -> list[tuple[object, ...]]:
    return house.admin(
        "select trim_scale(taken)::text, trim_scale(spent)::text from meterr.limit_pool"
    )


def events(house: House) -> list[int]:
    rows = house.admin("select percent from meterr.limit_event order by percent")
    return [int(str(percent)) for (percent,) in rows]


class TestSpending:
    async def test_an_entry_spends_its_lease_once_however_often_it_is_brought(
        self, house: House, drains: Drains
    ) -> None:
        """P2: an entry that is there already spends nothing."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        with closing(drains.journal()) as journal:
            (call,) = await reserve(house, journal.path.name, budget, calls=1)
            write(journal, drains, call, "0.75")
            await drains.drained()
            again = await drains.drained()  # a new drain reads the living journal from its start
            assert (1, [("1", "0.75")]) == (again.report.duplicates, spent(house))

    async def test_events_are_told_once_at_each_step(self, house: House, drains: Drains) -> None:
        """50, 80, 95 and 100 %, in the transaction of the entry that reached them."""
        budget = await house.rule(Measure.USD, "4", Span.MONTH)
        with closing(drains.journal()) as journal:
            calls = await reserve(house, journal.path.name, budget, calls=4)
            told = []
            for call, cost in zip(calls, ("1", "1", "1", "1"), strict=True):
                write(journal, drains, call, cost)
                await drains.drained()
                told.append(events(house))

        assert [[], [50], [50], [50, 80, 95, 100]] == told

    async def test_a_call_of_two_budgets_spends_both(self, house: House, drains: Drains) -> None:
        """A key's and a tenant's, say."""
        budgets = [
            await house.rule(Measure.USD, "50", Span.MONTH),
            await house.rule(Measure.USD, "5", Span.DAY),
        ]
        with closing(drains.journal()) as journal:
            (call,) = await reserve(house, journal.path.name, *budgets, calls=1)
            write(journal, drains, call, "0.75")
            await drains.drained()

        assert ["0.75", "0.75"] == [row[1] for row in spent(house)]


class TestClosing:
    async def test_a_dead_process_gives_back_what_it_did_not_spend_once(
        self, house: House, drains: Drains
    ) -> None:
        """Settled calls by their cost, open ones by their estimate, the rest comes back."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        running = await house.rule(Measure.CONCURRENCY, "5", Span.CALL)
        with closing(drains.journal()) as journal:
            calls = await reserve(house, journal.path.name, budget, running, calls=3)
            write(journal, drains, calls[0], "0.75")
            write(journal, drains, calls[1], None)
            await drains.drained()
            held = house.taken(budget), house.taken(running)
        await drains.drained()
        await drains.drained()

        assert (Decimal(3), Decimal(3)) == held
        assert drains.cost() == house.taken(budget)
        assert 0 == house.taken(running)
        assert [] == folder.process_folders(drains.root)

    async def test_permits_of_rates_stay_until_the_last_has_cooled(
        self, house: House, drains: Drains
    ) -> None:
        """The dead process may have used them a moment ago."""
        rate = await house.rule(Measure.REQUESTS, "5", Span.MINUTE)
        with closing(drains.journal()) as journal:
            await reserve(house, journal.path.name, rate, calls=3)
        await drains.drained()

        assert 3 == house.taken(rate)
        expired = "select expires_at <= now() from meterr.limit_lease"
        assert [(True,)] == house.admin(expired)

    async def test_an_unreadable_line_keeps_everything_taken(
        self, house: House, drains: Drains
    ) -> None:
        """Nobody knows what it had spent, and budgets never run over."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        with closing(drains.journal()) as journal:
            calls = await reserve(house, journal.path.name, budget, calls=2)
            for call in calls:
                write(journal, drains, call, "0.25")
            segment = folder.segments(journal.path)[0]
        written = bytearray(segment.read_bytes())
        middle = len(written.rstrip(b"\0")) // 2
        written[middle : middle + 4] = b"#!?#"
        segment.write_bytes(written)
        await drains.drained()

        assert Decimal(2) == house.taken(budget)
        assert [] == folder.process_folders(drains.root)

    async def test_a_rejected_record_keeps_everything_taken(
        self, house: House, drains: Drains
    ) -> None:
        """It was spent, and the ledger does not say so."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        with closing(drains.journal()) as journal:
            (call,) = await reserve(house, journal.path.name, budget, calls=1)
            refused = a_settled(drains.ids.new(), tenant="nobody", leases=call.leases)
            journal.settled(refused, PRICE)
            journal.flush()
        await drains.drained()

        assert Decimal(1) == house.taken(budget)

    async def test_a_drain_that_was_killed_before_the_folder_went_closes_again(
        self, house: House, drains: Drains
    ) -> None:
        """Idempotent: what came back is not there to come back."""
        budget = await house.rule(Measure.USD, "5", Span.MONTH)
        with closing(drains.journal()) as journal:
            (call,) = await reserve(house, journal.path.name, budget, calls=1)
            write(journal, drains, call, "0.25")
            await drains.drained()
            house.admin("select meterr.close_process(%s)", journal.path.name)
        await drains.drained()

        assert Decimal("0.25") == house.taken(budget)
