"""meterr.exchange_lease and its kin, in PostgreSQL itself, against the oracle."""

import uuid
from dataclasses import replace
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limit_house import House
from limit_oracle import Pool, limit
from psycopg.rows import dict_row

from meterr.core.limits import Measure
from meterr.core.sql import load_sql
from meterr.ledger.limits.model import amount_of, units
from meterr.ledger.limits.store import Lent, Wish
from meterr.ledger.limits.window import EPOCH
from support.rows import insert, row_of

SQL = load_sql("meterr.ledger.limits")
PROCESSES = [str(uuid.uuid4()) for _ in range(3)]
AMOUNT = 64


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


def exchange(connection: psycopg.Connection, wish: Wish) -> Lent | None:
    """Exchange once; None when the rule is not in force, or the process is closed."""
    fields = {**wish._asdict(), "ends_at": "infinity"}
    for name in ("known_granted", "parted_with", "owed", "want", "need", "least_need"):
        fields[name] = amount_of(wish.measure, fields[name])
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(SQL["exchange_lease"], fields).fetchone()
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return None
    if row is None:
        return None
    granted, remaining = units(wish.measure, row["granted"]), units(wish.measure, row["remaining"])
    return Lent(row["lease_id"], granted, remaining)


class Asks(NamedTuple):
    """A process tells its window what it needs, owes and parts with."""

    process: str
    needs: list[int]
    owed: int
    back: int
    is_lost: bool


class Costs(NamedTuple):
    """An entry that names the process's lease comes into the ledger."""

    process: str
    cost: int


class Closes(NamedTuple):
    """The journal of a process has been read, or it was given up."""

    process: str


class Late(NamedTuple):
    """A statement comes (again), whoever said it, and whatever has become of that process."""

    number: int


who = st.sampled_from(PROCESSES)
asks = st.builds(
    Asks,
    who,
    st.lists(st.integers(1, 20), max_size=3),
    st.integers(0, 3),
    st.integers(0, 30),
    st.booleans(),
)
others = st.builds(Costs, who, st.integers(0, 20)) | st.builds(Closes, who)
late = st.builds(Late, st.integers(0, 11))
steps = st.lists(asks | asks | others | late, max_size=14)


@pytest.mark.parametrize("measure", [Measure.USD, Measure.CONCURRENCY])
def test_postgresql_lends_as_the_oracle_does(house: House, measure: Measure) -> None:
    """
    Slices, returns, debts, lost answers, calls from before, ends, and statements that come late.

    The function and its slow double never differ.
    """
    spans = {Measure.USD: "total", Measure.CONCURRENCY: "call"}

    with psycopg.connect(house.dsn) as connection:

        @settings(
            max_examples=60,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(steps, st.booleans(), st.sampled_from([0, 0, 7, 63, 64, 90]))
        def check(steps: list, hard: bool, before: int) -> None:
            rule = replace(limit(measure, AMOUNT, hard=hard), limit_id=str(uuid.uuid4()))
            key = str(uuid.uuid4())
            house.admin(
                "insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject,"
                " span, amount, hard) values (%s, %s, %s, 'key', %s, %s, %s, %s)",
                *(house.tenant, rule.limit_id, measure, key, spans[measure], rule.amount, hard),
            )
            books = Books(connection, house.tenant, key, measure)
            books.enter(before, None)
            connection.execute("set role meterr_app")
            seeded = before if measure is Measure.USD else 0
            compare(books, Pool(rule, AMOUNT, taken=seeded), steps)
            connection.rollback()

        check()


class Books:
    """The ledger of one key, and the end of processes, in a transaction that is rolled back."""

    def __init__(
        self, connection: psycopg.Connection, tenant: str, key: str, measure: Measure
    ) -> None:
        self.connection, self.tenant, self.key = connection, tenant, key
        self.measure = measure

    def enter(self, cost: int, lease_id: int | None) -> None:
        """Enter a call of that cost."""
        row = row_of("ledger_entry", self.tenant)
        row |= {"key_id": self.key, "cost_usd": amount_of(Measure.USD, cost)}
        row |= {"leases": None if lease_id is None else [lease_id]}
        self.connection.execute("set role meterr_drain")
        insert(self.connection, "ledger_entry", row)
        self.connection.execute("set role meterr_app")

    def close(self, process: str) -> None:
        self.connection.execute("set role meterr_drain")
        self.connection.execute("select meterr.close_process(%s)", [process])
        self.connection.execute("set role meterr_app")


class Comparison:
    """What processes say, to PostgreSQL and to the oracle."""

    def __init__(self, books: Books, pool: Pool) -> None:
        self.books, self.pool = books, pool
        self.known: dict[str, Lent] = {}
        self.returned = dict.fromkeys(PROCESSES, 0)
        self.spent = dict.fromkeys(PROCESSES, 0)
        self.names: dict[int, int] = {}
        self.said: list[Wish] = []

    def say(self, wish: Wish) -> Lent | None:
        said = exchange(self.books.connection, wish)
        own_name = None if wish.lease_id is None else self.names[wish.lease_id]
        expected = self.pool.exchange(wish._replace(lease_id=own_name), 0.0)
        assert (expected is None) == (said is None)
        if said is None or expected is None:
            return None
        self.names[said.lease_id] = expected.lease_id
        assert (expected.granted, expected.remaining) == (said.granted, said.remaining)
        return said

    def asks(self, step: Asks) -> None:
        before = self.known.get(step.process)
        self.returned[step.process] += step.back if before else 0
        wish = Wish(
            measure=self.pool.rule.measure,
            tenant_id=self.books.tenant,
            limit_id=self.pool.rule.limit_id,
            starts_at=EPOCH,
            ends_at=None,
            process=step.process,
            lease_id=before.lease_id if before else None,
            known_granted=before.granted if before else 0,
            parted_with=min(self.returned[step.process], before.granted if before else 0),
            owed=step.owed,
            want=max([sum(step.needs), 4]) if step.needs else 0,
            need=sum(step.needs),
            least_need=min(step.needs, default=0),
        )
        self.said.append(wish)
        said = self.say(wish)
        if said is not None and not step.is_lost:
            self.known[step.process] = said

    def costs(self, step: Costs) -> None:
        row = self.pool.rows.get(step.process)
        if row is not None and self.pool.rule.measure is Measure.USD:
            ours = next(ours for ours, theirs in self.names.items() if theirs == row.lease_id)
            self.spent[step.process] += step.cost
            self.books.enter(step.cost, ours)

    def closes(self, step: Closes) -> None:
        self.books.close(step.process)
        self.pool.close(step.process, self.spent[step.process], 0.0)

    def late(self, step: Late) -> None:
        if step.number < len(self.said):
            self.say(self.said[step.number])


def compare(books: Books, pool: Pool, steps: list) -> None:
    comparison = Comparison(books, pool)
    for step in steps:
        match step:
            case Asks():
                comparison.asks(step)
            case Costs():
                comparison.costs(step)
            case Closes():
                comparison.closes(step)
            case Late():
                comparison.late(step)


class TestRowsOfOthers:
    def test_a_rule_is_drawn_from_only_under_the_name_of_its_tenant(self, house: House) -> None:
        """P4: one tenant's calls cannot use up what another has, by whatever limit's id."""
        other = str(uuid.uuid4())
        house.admin("insert into meterr.tenant (tenant_id, name) values (%s, 'other')", other)
        wanted = wish_for(house, rule_of(house, "usd", "total"), Measure.USD)

        with psycopg.connect(house.dsn) as connection:
            connection.execute("set role meterr_app")
            assert exchange(connection, wanted._replace(tenant_id=other)) is None
            assert exchange(connection, wanted) is not None
        assert [(house.tenant,)] == house.admin("select tenant_id::text from meterr.limit_pool")

    @pytest.mark.parametrize("role", ["meterr_auth", "meterr_drain"])
    def test_no_other_role_may_draw(self, house: House, role: str) -> None:
        """Executable by meterr_app only."""
        wanted = wish_for(house, rule_of(house, "usd", "total"), Measure.USD)

        with psycopg.connect(house.dsn) as connection:
            connection.execute(f"set role {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                exchange(connection, wanted)


class TestExpiry:
    def test_a_dead_process_comes_back_after_its_last_permit_has_cooled(self, house: House) -> None:
        """30 s of lease, 60 s of cooling, 5 s for clocks: not before."""
        rule = rule_of(house, "requests", "minute")
        dead, living = (
            wish_for(house, rule, Measure.REQUESTS, 64),
            wish_for(house, rule, Measure.REQUESTS, 64),
        )

        with psycopg.connect(house.dsn, autocommit=True) as connection:
            connection.execute("set role meterr_app")
            assert exchange(connection, dead) is not None
            expire(house, "62 s")  # past the 60 of cooling, within the 5 for clocks
            assert units_granted(connection, living) == 0
            expire(house, "66 s")
            assert units_granted(connection, living) == 64

    def test_a_renewed_lease_is_nobody_elses(self, house: House) -> None:
        """What was renewed is named; what was given away is not."""
        rule = rule_of(house, "requests", "minute")
        mine, other = (
            wish_for(house, rule, Measure.REQUESTS, 64),
            wish_for(house, rule, Measure.REQUESTS, 64),
        )

        with psycopg.connect(house.dsn, autocommit=True) as connection:
            connection.execute("set role meterr_app")
            lent = exchange(connection, mine)
            expire(house, "66 s")
            assert lent is not None
            assert [lent.lease_id] == renewed(connection, mine.process)
            assert units_granted(connection, other) == 0
            expire(house, "66 s")
            assert units_granted(connection, other) == 64
            assert [] == renewed(connection, mine.process)

    def test_budgets_do_not_expire(self, house: House) -> None:
        """What a dead process held of money comes back only once its journal was read."""
        rule = rule_of(house, "usd", "total")
        with psycopg.connect(house.dsn, autocommit=True) as connection:
            connection.execute("set role meterr_app")
            dead = wish_for(house, rule, Measure.USD, 64)
            assert units_granted(connection, dead) == 64
            expire(house, "1000 days")
            assert units_granted(connection, wish_for(house, rule, Measure.USD, 64)) == 0
            assert [] == renewed(connection, dead.process)


class TestPruning:
    def test_windows_that_ended_more_than_62_days_ago_go_and_no_others(self, house: House) -> None:
        """Nor the window of a total, which never ends."""
        ages = {"day": 64, "month": 93, "total": 400}
        for span, days in ages.items():
            rule = rule_of(house, "usd", span)
            for age in (days - 2, days + 2):
                house.admin(
                    "insert into meterr.limit_pool (tenant_id, limit_id, starts_at)"
                    " values (%s, %s, now() - %s * interval '1 day')",
                    *(house.tenant, rule, age),
                )
        with psycopg.connect(house.dsn, autocommit=True) as connection:
            connection.execute("set role meterr_app")
            assert (2,) == connection.execute(SQL["prune_limits"]).fetchone()

        left = "select count(*) from meterr.limit_pool"
        assert [(4,)] == house.admin(left)


def rule_of(house: House, measure: str, span: str) -> str:
    """Store a rule of 64 units and return its id."""
    limit_id = str(uuid.uuid4())
    amount = amount_of(Measure(measure), AMOUNT)
    house.admin(
        "insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject, span, amount)"
        " values (%s, %s, %s, 'owner', %s, %s, %s)",
        *(house.tenant, limit_id, measure, limit_id, span, amount),
    )
    return limit_id


def wish_for(house: House, limit_id: str, measure: Measure, need: int = 1) -> Wish:
    """What a process that holds nothing yet says."""
    process = str(uuid.uuid4())
    return Wish(
        *(measure, house.tenant, limit_id, EPOCH, None, process, None, 0, 0, 0, need, need, need)
    )


def units_granted(connection: psycopg.Connection, wish: Wish) -> int:
    lent = exchange(connection, wish)
    assert lent is not None
    return lent.granted


def renewed(connection: psycopg.Connection, process: str) -> list[int]:
    rows = connection.execute(SQL["renew_leases"], {"process": process}).fetchall()
    return [row[0] for row in rows]


def expire(house: House, ago: str) -> None:
    """Let the leases that expire at all have expired so long ago."""
    house.admin(
        "update meterr.limit_lease set expires_at = now() - %s::interval"
        " where expires_at < 'infinity'",
        ago,
    )
