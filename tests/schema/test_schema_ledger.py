"""The ledger table: partitions, what it refuses, and that it never refuses a date."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from support.rows import insert, row_of

A = "0199aaaa-0000-7000-8000-00000000000a"


@pytest.fixture
def drain(database_url: str):
    with psycopg.connect(
        database_url, autocommit=True, options="-c role=meterr_drain -c timezone=Asia/Tokyo"
    ) as connection:
        yield connection


@pytest.fixture
def admin(admin_dsn: str):
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        yield connection


def ensure(connection: Connection, first: str, last: str) -> int:
    row = connection.execute(
        "select meterr.ensure_ledger_partitions(%s, %s)", [first, last]
    ).fetchone()
    assert row is not None
    return row[0]


def entry(at: datetime, **changes: object) -> dict[str, object]:
    return {**row_of("ledger_entry", A), "at": at, **changes}


def where(admin: Connection) -> dict[datetime, str]:
    """Which partition each entry lies in."""
    rows = admin.execute("select at, tableoid::regclass::text from meterr.ledger_entry")
    return {at.astimezone(UTC): name.removeprefix("meterr.") for at, name in rows.fetchall()}


def test_partitions_are_made_once_for_each_day(drain: Connection) -> None:
    """Made ahead, by whoever comes first."""
    assert 3 == ensure(drain, "2026-11-22", "2026-11-24")
    assert 1 == ensure(drain, "2026-11-22", "2026-11-25")
    assert 0 == ensure(drain, "2026-11-22", "2026-11-25")


def test_a_day_is_a_utc_day_whatever_the_session_thinks(
    drain: Connection, admin: Connection
) -> None:
    """Its first and its last microsecond lie in it, the next one does not."""
    ensure(drain, "2026-11-22", "2026-11-23")
    first = datetime(2026, 11, 22, tzinfo=UTC)
    next_day = first + timedelta(days=1)
    last = next_day - timedelta(microseconds=1)
    for at in (first, last, next_day):
        insert(drain, "ledger_entry", entry(at))

    assert {
        first: "ledger_entry_20261122",
        last: "ledger_entry_20261122",
        next_day: "ledger_entry_20261123",
    } == where(admin)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds it
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - as above
        timezones=st.just(UTC),
    )
)
def test_no_date_is_ever_refused(drain: Connection, at: datetime) -> None:
    """A clock far off costs nothing but order: such a row lands in the default partition."""
    assert 1 == insert(drain, "ledger_entry", entry(at))


def test_rows_that_came_before_their_partition_move_into_it(
    drain: Connection, admin: Connection
) -> None:
    """Retention drops partitions; a day must not stay in the default one for ever."""
    early = datetime(2026, 11, 22, 10, tzinfo=UTC)
    stray = datetime(2031, 1, 1, tzinfo=UTC)
    row = entry(early)
    insert(drain, "ledger_entry", row)
    insert(drain, "ledger_entry", entry(stray))

    ensure(drain, "2026-11-21", "2026-11-23")

    assert {early: "ledger_entry_20261122", stray: "ledger_entry_default"} == where(admin)
    assert 0 == insert(drain, "ledger_entry", row)  # still known, still once


def test_moving_rows_leaves_the_walls_up(drain: Connection, admin: Connection) -> None:
    """The default partition's security is lifted inside one transaction only."""
    insert(drain, "ledger_entry", entry(datetime(2026, 11, 22, tzinfo=UTC)))

    ensure(drain, "2026-11-22", "2026-11-22")

    assert (
        []
        == admin.execute(
            """select relname from pg_class
                where relname ~ '^ledger_entry' and relkind in ('r', 'p')
              and not (relrowsecurity and relforcerowsecurity)"""
        ).fetchall()
    )


@pytest.mark.parametrize(
    ("first", "last"),
    [("2026-11-22", "2026-11-21"), ("2026-01-01", "2028-01-01"), (None, "2026-01-01")],
)
def test_a_nonsensical_range_is_refused(drain: Connection, first: str, last: str) -> None:
    """A slip must not make a million tables."""
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        ensure(drain, first, last)


def test_making_partitions_gives_up_behind_a_long_reader(drain: Connection, admin_dsn: str) -> None:
    """Waiting for its lock would make every reader and writer wait behind it."""
    with psycopg.connect(admin_dsn) as reader:
        reader.execute("select count(*) from meterr.ledger_entry")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ensure(drain, "2026-11-22", "2026-11-22")
    assert 1 == ensure(drain, "2026-11-22", "2026-11-22")


@pytest.mark.parametrize(
    "changes",
    [
        {"input": -1},
        {"web_fetch": -1},
        {"duration_ms": -1},
        {"cost_usd": "-0.000000000000000001"},
        {"state": "refused", "cost_usd": "0"},
        {"state": "opened"},
        {"usage_known": None},
    ],
)
def test_an_impossible_entry_is_refused(drain: Connection, changes: dict[str, object]) -> None:
    """P1: what the ledger holds makes sense."""
    with pytest.raises(psycopg.errors.IntegrityError):
        insert(drain, "ledger_entry", entry(datetime(2026, 11, 22, tzinfo=UTC), **changes))


def test_a_cost_comes_back_as_it_went_in(drain: Connection, admin: Connection) -> None:
    """P1: unrounded; 12 embedding tokens at 0.02 USD per million."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    insert(drain, "ledger_entry", entry(at, cost_usd="0.00000024"))

    row = admin.execute("select trim_scale(cost_usd)::text from meterr.ledger_entry").fetchone()

    assert ("0.00000024",) == row
