"""meterr.exchange_lease and its kin, in PostgreSQL itself, against the oracle."""

import uuid
from dataclasses import replace

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

SQL = load_sql("meterr.ledger.limits")
PROCESSES = [str(uuid.uuid4()) for _ in range(3)]
AMOUNT = 64


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn)
    made.settle_in()
    return made


def exchange(connection: psycopg.Connection, wish: Wish) -> Lent | None:
    fields = wish._asdict()
    for name in ("known_granted", "parted_with", "owed", "want", "need", "least_need"):
        fields[name] = amount_of(wish.measure, fields[name])
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(SQL["exchange_lease"], fields).fetchone()
    if row is None:
        return None
    granted, remaining = units(wish.measure, row["granted"]), units(wish.measure, row["remaining"])
    return Lent(row["lease_id"], granted, remaining)


def as_app(connection: psycopg.Connection, tenant: str) -> None:
    connection.execute("set role meterr_app")
    connection.execute("select set_config('meterr.tenant_id', %s, false)", (tenant,))


needs = st.lists(st.integers(1, 20), max_size=3)
steps = st.lists(
    st.tuples(
        st.sampled_from(PROCESSES),
        needs,
        st.integers(0, 3),  # owed
        st.integers(0, 30),  # parted with since
        st.booleans(),  # the answer before was lost
    ),
    max_size=12,
)


@pytest.mark.parametrize("measure", [Measure.USD, Measure.CONCURRENCY])
def test_postgresql_lends_as_the_oracle_does(house: House, measure: Measure) -> None:
    """Slices, returns, debts and lost answers: the function and its slow double never differ."""
    spans = {Measure.USD: "total", Measure.CONCURRENCY: "call"}

    with psycopg.connect(house.dsn) as connection:

        @settings(
            max_examples=40,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(steps, st.booleans())
        def check(steps: list, hard: bool) -> None:
            rule = replace(limit(measure, AMOUNT, hard=hard), limit_id=str(uuid.uuid4()))
            house.admin(
                "insert into meterr.limit_rule (tenant_id, limit_id, measure, scope, subject,"
                " span, amount, hard) values (%s, %s, %s, 'owner', %s, %s, %s, %s)",
                *(house.tenant, rule.limit_id, measure, rule.limit_id, spans[measure]),
                *(rule.amount, hard),
            )
            as_app(connection, house.tenant)
            compare(connection, Pool(rule, AMOUNT), steps)
            connection.rollback()

        check()


def compare(connection: psycopg.Connection, pool: Pool, steps: list) -> None:
    known: dict[str, Lent] = {}
    returned = dict.fromkeys(PROCESSES, 0)
    names: dict[int, int] = {}
    for process, waiting, owed, back, lost in steps:
        before = known.get(process)
        returned[process] += back if before else 0
        wish = Wish(
            measure=pool.rule.measure,
            limit_id=pool.rule.limit_id,
            starts_at=EPOCH,
            process=process,
            lease_id=before.lease_id if before else None,
            known_granted=before.granted if before else 0,
            parted_with=min(returned[process], before.granted if before else 0),
            owed=owed,
            want=max([sum(waiting), 4]) if waiting else 0,
            need=sum(waiting),
            least_need=min(waiting, default=0),
        )
        said = exchange(connection, wish)
        ours = wish._replace(lease_id=None if before is None else names[before.lease_id])
        expected = pool.exchange(ours, 0.0)
        assert said is not None
        names[said.lease_id] = expected.lease_id
        assert (expected.granted, expected.remaining) == (said.granted, said.remaining)
        if not lost:
            known[process] = said


class TestRowsOfOthers:
    def test_a_tenant_draws_only_from_its_own_rules(self, house: House) -> None:
        """P4: the function runs as the owner, and takes the tenant from the transaction."""
        other = str(uuid.uuid4())
        house.admin("insert into meterr.tenant (tenant_id, name) values (%s, 'other')", other)
        wanted = wish_for(rule_of(house, "usd", "total"), Measure.USD)

        with psycopg.connect(house.dsn) as connection:
            as_app(connection, other)
            assert exchange(connection, wanted) is None
            as_app(connection, house.tenant)
            assert exchange(connection, wanted) is not None

    def test_without_a_tenant_nothing_is_drawn(self, house: House) -> None:
        """Forgetting the tenant shows no row rather than every row."""
        wanted = wish_for(rule_of(house, "usd", "total"), Measure.USD)

        with psycopg.connect(house.dsn) as connection:
            connection.execute("set role meterr_app")
            assert exchange(connection, wanted) is None

    @pytest.mark.parametrize("role", ["meterr_auth", "meterr_drain"])
    def test_no_other_role_may_draw(self, house: House, role: str) -> None:
        """Executable by meterr_app only."""
        wanted = wish_for(rule_of(house, "usd", "total"), Measure.USD)

        with psycopg.connect(house.dsn) as connection:
            connection.execute(f"set role {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                exchange(connection, wanted)


class TestExpiry:
    def test_a_dead_process_comes_back_after_its_last_permit_has_cooled(self, house: House) -> None:
        """30 s of lease, 60 s of cooling, 5 s for clocks: not before."""
        rule = rule_of(house, "requests", "minute")
        dead, living = wish_for(rule, Measure.REQUESTS, 64), wish_for(rule, Measure.REQUESTS, 64)

        with psycopg.connect(house.dsn, autocommit=True) as connection:
            as_app(connection, house.tenant)
            assert exchange(connection, dead) is not None
            expire(house, "64 s")
            assert units_granted(connection, living) == 0
            expire(house, "66 s")
            assert units_granted(connection, living) == 64

    def test_a_renewed_lease_is_nobody_elses(self, house: House) -> None:
        """What was renewed is named; what was given away is not."""
        rule = rule_of(house, "requests", "minute")
        mine, other = wish_for(rule, Measure.REQUESTS, 64), wish_for(rule, Measure.REQUESTS, 64)

        with psycopg.connect(house.dsn, autocommit=True) as connection:
            as_app(connection, house.tenant)
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
            as_app(connection, house.tenant)
            dead = wish_for(rule, Measure.USD, 64)
            assert units_granted(connection, dead) == 64
            expire(house, "1000 days")
            assert units_granted(connection, wish_for(rule, Measure.USD, 64)) == 0
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


def wish_for(limit_id: str, measure: Measure, need: int = 1) -> Wish:
    """What a process that holds nothing yet says."""
    return Wish(measure, limit_id, EPOCH, str(uuid.uuid4()), None, 0, 0, 0, need, need, need)


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
