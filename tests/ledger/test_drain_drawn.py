"""The drain spends of each budget what the entries that name its lease drew, exactly."""

import uuid
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import pytest
from drain_house import House
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_samples import KEY, PRICE, TENANT, a_settled, an_opened, new_ids

from meterr.core.db import Database, Role
from meterr.core.money import wire
from meterr.ledger import verify_ledger
from meterr.ledger.journal import refused
from meterr.ledger.journal.insertion import Insertion
from meterr.ledger.journal.record import parse
from meterr.ledger.model import Opened, Settled, Usage

BUDGETS = [str(uuid.UUID(int=n)) for n in (1, 2, 3)]
TOTALS = """
    select l.lease_id, l.spent, p.spent, p.taken from meterr.limit_lease l
      join meterr.limit_pool p using (tenant_id, limit_id, starts_at) order by l.limit_id
"""
RULE = """
    insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject, span, amount)
    values (%s, %s, 'usd', 'owner', %s, 'total', 100)
"""
POOL = """
    insert into meterr.limit_pool (tenant_id, limit_id, starts_at, taken)
    values (%s, %s, 'epoch', 50)
"""
LEASE = """
    insert into meterr.limit_lease (tenant_id, limit_id, starts_at, process, granted, expires_at)
    values (%s, %s, 'epoch', %s, 50, 'infinity')
"""
usd = st.decimals(0, 3, places=18).map(wire)


class Books(House):
    """Three budgets, of each of which one process holds 50 dollars."""

    def lend(self, process: str) -> None:
        self.admin("insert into meterr.tenant (tenant_id, name) values (%s, 'acme')", TENANT)
        for number, budget in enumerate(BUDGETS):
            self.admin(RULE, TENANT, budget, str(number))
            self.admin(POOL, TENANT, budget)
            self.admin(LEASE, TENANT, budget, process)

    def leases(self) -> list[int]:
        return [int(str(row[0])) for row in self.admin(TOTALS)]

    def spent(self) -> list[tuple[object, object]]:
        """Return what lease and window of each budget say."""
        return [(row[1], row[2]) for row in self.admin(TOTALS)]

    def taken(self) -> list[object]:
        return [
            row[0] for row in self.admin("select taken from meterr.limit_pool order by limit_id")
        ]


@pytest.fixture
def books(tmp_path: Path, database_url: str, admin_dsn: str) -> Books:
    return Books(tmp_path / "journal", database_url, admin_dsn)


@st.composite
def entries(draw: st.DrawFn) -> list[Settled]:
    """Calls that drew from some of three leases, counted from 0, or from none."""
    ids = new_ids()
    return [
        a_settled(
            ids.new(),
            cost=draw(st.none() | usd),
            drawn=draw(st.none() | usd),
            leases=tuple(draw(st.sets(st.integers(0, 2)))),
        )
        for _ in range(draw(st.integers(1, 12)))
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries(), st.lists(st.integers(0, 12), max_size=4))
async def test_what_is_spent_is_the_sum_of_what_was_drawn(
    books: Books, calls: list[Settled], cuts: list[int]
) -> None:
    """P3: in whatever batches it comes, and however often."""
    books.admin("truncate meterr.limit_lease, meterr.limit_pool, meterr.limit_event")
    books.admin("delete from meterr.limit_rule")
    books.admin("delete from meterr.tenant")
    books.lend(str(uuid.uuid4()))
    names = books.leases()
    expected = defaultdict(Decimal, dict.fromkeys(range(3), Decimal(0)))
    for call in calls:
        for lease in call.leases:
            expected[lease] += Decimal(call.cost or 0 if call.drawn is None else call.drawn)
    named = [replaced(call, names) for call in calls]
    async with Database.open(books.dsn, Role.DRAIN) as db:
        insertion = Insertion(db, books.clock, books.hear)
        for cut in (*cuts, len(named), len(named)):
            await insertion.insert(named[:cut], [PRICE])
    assert [(each, each) for _, each in sorted(expected.items())] == books.spent()


def replaced(call: Settled, names: list[int]) -> Settled:
    return a_settled(
        call.id, cost=call.cost, drawn=call.drawn, leases=tuple(names[n] for n in call.leases)
    )


class TestAProcessThatDied:
    async def test_draws_its_estimate_or_where_no_price_is_known_its_reservation(
        self, books: Books
    ) -> None:
        """P3: nobody brings a death about to pay less, and unknown is never free."""
        with closing(books.journal()) as journal:
            books.lend(journal.path.name)
            first, second, _ = books.leases()
            priced = an_opened(books.ids.new(), leases=(first,), reserved="2")
            journal.opened(priced, PRICE)
            unpriced = an_opened(books.ids.new(), leases=(second,), reserved="2", price="")
            journal.opened(unpriced, None)
        await books.drained()
        cost = books.cost()
        assert 0 < cost < 2
        assert [(cost, None), (None, Decimal(2))] == books.ledger("cost_usd", "drawn_usd")
        assert [cost, 2, 0] == books.taken()

    async def test_keeps_what_its_settled_calls_drew_beyond_their_cost(self, books: Books) -> None:
        """P3: a reservation that was kept is kept for good, cost or no cost."""
        with closing(books.journal()) as journal:
            books.lend(journal.path.name)
            first, second, third = books.leases()
            for leases, cost, drawn in (
                ((first, second), "0.25", "2"),
                ((second,), None, "3"),
                ((third,), "0.25", None),
            ):
                call = books.ids.new()
                journal.settled(a_settled(call, cost=cost, drawn=drawn, leases=leases), PRICE)
        await books.drained()
        assert [2, 5, Decimal("0.25")] == books.taken()


def line(body: str) -> Opened | Settled:
    found = parse(b"%08x %b" % (crc32(body.encode()), body.encode()))
    assert isinstance(found, Opened | Settled)
    return found


async def test_records_of_an_older_journal_draw_their_cost(books: Books) -> None:
    """P2: what was written before the upgrade goes in after it, and costs what it says."""
    opened_id, settled_id = books.ids.new(), books.ids.new()
    common = (
        f'"tenant":"{TENANT}","key":"{KEY}","surface":"openai.chat","upstream":"u",'
        f'"provider":"openai","model":"m","price":"{PRICE.id}","leases":[%d]'
    )
    with closing(books.journal()) as journal:
        books.lend(journal.path.name)
        first, second, _ = books.leases()
        opened = line(f'{{"kind":"opened","id":"{opened_id}",{common % first}}}')
        settled = line(
            f'{{"kind":"settled","id":"{settled_id}",{common % second},"usage":{{}},"cost":"0.5"}}'
        )
        assert isinstance(opened, Opened)
        assert isinstance(settled, Settled)
        journal.opened(opened, PRICE)
        journal.settled(settled, PRICE)
    await books.drained()
    assert [(None,), (None,)] == books.ledger("drawn_usd")
    assert [0, Decimal("0.5"), 0] == books.taken()


class TestARefusedRecord:
    @pytest.mark.parametrize("drawn", [None, "2"])
    async def test_that_lost_its_cost_to_cleaning_is_drawn_all_the_same(
        self, books: Books, drawn: str | None
    ) -> None:
        """P3: what PostgreSQL cannot store of a call takes nothing off its budgets."""
        with closing(books.journal()) as journal:
            books.lend(journal.path.name)
            (lease, *_) = books.leases()
            odd = a_settled(
                books.ids.new(), usage=Usage(input=-1), cost="1", drawn=drawn, leases=(lease,)
            )
            journal.settled(odd, PRICE)
        await books.drained()
        assert [(None, Decimal(drawn or 1))] == books.ledger("cost_usd", "drawn_usd")
        assert Decimal(drawn or 1) == books.taken()[0]

    @pytest.fixture
    async def process(self, books: Books) -> str:
        """A dead process one of whose two records was refused: the ledger had no room for it."""
        books.admin("alter table meterr.ledger_entry add constraint c check (model <> 'bad')")
        with closing(books.journal()) as journal:
            books.lend(journal.path.name)
            (lease, *_) = books.leases()
            for model in ("good", "bad"):
                entry = a_settled(books.ids.new(), model=model, cost="1", leases=(lease,))
                journal.settled(entry, PRICE)
        await books.drained()
        assert [50, 50, 50] == books.taken()
        return journal.path.name

    async def test_that_goes_in_at_last_closes_its_process(
        self, books: Books, process: str
    ) -> None:
        """P3: all it spent is in the ledger now; what it did not spend comes back, once."""
        books.admin("alter table meterr.ledger_entry drop constraint c")
        await books.drained()
        await books.drained()
        assert [2, 0, 0] == books.taken()

    async def test_of_several_closes_nobody_before_the_last_is_in(
        self, books: Books, process: str
    ) -> None:
        """P3: while one is missing, nobody knows what was spent."""
        hopeless = a_settled(books.ids.new(), tenant="nobody")
        refused.keep(books.root, process, hopeless, "as it was then")
        books.admin("alter table meterr.ledger_entry drop constraint c")
        await books.drained()
        assert 2 == len(books.states())
        assert [50, 50, 50] == books.taken()

    async def test_closes_nobody_whose_journal_was_damaged_too(
        self, books: Books, process: str
    ) -> None:
        """P3: the cure of a record is none for a line that nobody can read."""
        damaged = books.root / "damaged"
        damaged.mkdir()
        (damaged / f"{process}-00000001.journal").write_bytes(b"scribble")
        books.admin("alter table meterr.ledger_entry drop constraint c")
        await books.drained()
        assert [50, 50, 50] == books.taken()

    async def test_closes_no_process_that_lives(self, books: Books) -> None:
        """P3: it may spend on; its own end closes it."""
        with closing(books.journal()) as journal:
            books.lend(journal.path.name)
            (lease, *_) = books.leases()
            entry = a_settled(books.ids.new(), cost="1", leases=(lease,))
            refused.keep(books.root, journal.path.name, entry, "as it was then")
            await books.drained()
            assert [50, 50, 50] == books.taken()
        await books.drained()
        assert [1, 0, 0] == books.taken()


async def test_verification_finds_a_figure_of_what_was_drawn_that_was_altered(
    books: Books,
) -> None:
    """P7: whoever lowers what a call drew could spend it twice."""
    with closing(books.journal()) as journal:
        books.lend(journal.path.name)
        (lease, *_) = books.leases()
        entry = a_settled(books.ids.new(), drawn="2", leases=(lease,))
        journal.settled(entry, PRICE)
        journal.flush()
        await books.drained()
        async with Database.open(books.dsn, Role.APP) as db:
            sound = await verify_ledger(db, [TENANT])
            books.admin("update meterr.ledger_entry set drawn_usd = 1.999999999999999999")
            report = await verify_ledger(db, [TENANT])
    told = {finding.entry: finding.detail for finding in report.named}
    assert "lease-differs" not in sound.counts
    assert "spent 2 USD, its entries drew 1.999999999999999999 USD" == told[f"lease {lease}"]
