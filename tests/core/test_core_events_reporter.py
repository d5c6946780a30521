"""Reports: first at once, then one row per interval; a flood costs a handful of rows."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from meterr.core.db import Database, Role
from meterr.core.events import (
    Event,
    Kind,
    Reporter,
    ReportWriter,
    Source,
    Target,
    TargetKind,
    list_events,
)
from meterr.core.events.model import EventRow

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
FLOOD = 1_000_000
MINE, THEIRS = "0190a1b2-0000-7000-8000-000000000001", "0190a1b2-0000-7000-8000-000000000002"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


def malformed(address: str, reason: str = "bad_checksum") -> Event:
    source = Source.stranger(address)
    return Event(Kind.KEY_MALFORMED, None, source, detail={"reason": reason})


def refused(tenant_id: str, address: str) -> Event:
    key = Target(TargetKind.KEY, tenant_id)
    return Event(Kind.KEY_REFUSED, tenant_id, Source.stranger(address), key, {"reason": "revoked"})


def writer_of(db: Database, reporter: Reporter, told: list[str]) -> ReportWriter:
    return ReportWriter(db, reporter, lambda: 0.0, told.append)


async def rows(db: Database) -> list[EventRow]:
    return list((await list_events(db, None, since=BEGINNING, limit=1000)).events)[::-1]


@contextmanager
def refused_by_the_database(admin_dsn: str) -> Iterator[None]:
    """Make the database take no event, for a reason that is no outage."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(
            "alter table meterr.security_event add constraint never check (false) not valid"
        )
        yield
        connection.execute("alter table meterr.security_event drop constraint never")


def test_a_million_malformed_keys_are_a_handful_of_rows() -> None:
    """Issue 4: malformed keys must not reach the database; nor may their reports."""
    reporter = Reporter()
    event = malformed("192.0.2.1")
    written = 0
    for n in range(FLOOD):
        reporter.report(event)
        if n % 250_000 == 0:  # the writer looks once in a while
            written += len(reporter.take_new())
    rest = reporter.take_all()

    assert 1 == written
    assert [FLOOD - 1] == [each.times for each in rest]


def test_a_flood_from_everywhere_is_bounded_and_still_counted() -> None:
    """What is too much to keep apart is counted under its kind: no room, no loss."""
    reporter = Reporter(kept_apart_max=10)
    for n in range(5_000):
        reporter.report(malformed(f"2001:db8:{n:x}::1"))
    reporter.report(Event(Kind.KEY_UNKNOWN, None, Source.stranger("192.0.2.1")))

    new = reporter.take_new()

    assert 12 == len(new)
    assert 5_001 == sum(each.times for each in new)
    folded = {each.event.kind: each.told().detail for each in new[10:]}
    assert {"others": True, "times": 4_990} == folded[Kind.KEY_MALFORMED]
    assert ["", "192.0.2.1"] == [each.event.source.network for each in new[10:]]


def test_a_flood_in_one_tenant_hides_nothing_of_another() -> None:
    """P4: a revoked key of mine from everywhere; the use of a stolen one of theirs is told."""
    reporter = Reporter(kept_apart_max=10)
    for _ in range(3):  # intervals: who goes on keeps the places
        for n in range(30):
            reporter.report(refused(MINE, f"2001:db8:0:{n:x}::1"))
        reporter.report(refused(THEIRS, "203.0.113.7"))
        written = [each.told() for each in reporter.take_all()]

        theirs = [each for each in written if each.tenant_id == THEIRS]
        mine = [each for each in written if each.tenant_id == MINE]
        assert ["203.0.113.7"] == [each.source.network for each in theirs]
        assert 30 == sum(int(each.detail["times"] or 0) for each in mine)
        assert len(mine) <= 11
        assert len(written) == len(mine) + len(theirs)


def test_what_goes_on_is_one_row_per_interval() -> None:
    """First at once, then counts; when it stops, nothing more is written."""
    reporter = Reporter()
    event = malformed("192.0.2.1")
    counts = []
    for _ in range(3):  # intervals
        for _ in range(5):  # looks
            reporter.report(event)
            counts += [each.times for each in reporter.take_new()]
        counts += [each.times for each in reporter.take_all()]
    assert [1, 4, 5, 5] == counts
    assert () == reporter.take_all()
    reporter.report(event)
    assert [1] == [each.times for each in reporter.take_new()]


def test_a_change_is_recorded_and_never_reported() -> None:
    """An event without its change, or a change without its event, must not be possible."""
    with pytest.raises(ValueError, match="recorded with its change"):
        Reporter().report(Event(Kind.KEY_REVOKED, None))


async def test_reports_are_written_and_say_how_often(db: Database) -> None:
    """One row, with the network and the count."""
    reporter, told = Reporter(), list[str]()
    writer = writer_of(db, reporter, told)
    for _ in range(3):
        reporter.report(malformed("2001:db8::7"))

    assert await writer.write(everything=False)
    assert await writer.write(everything=True)

    (row,) = await rows(db)
    assert ("key.malformed", "2001:db8::/64") == (row.kind, row.network)
    assert {"reason": "bad_checksum", "times": 3} == row.detail


async def test_an_outage_loses_nothing(database_url: str, db: Database) -> None:
    """P2 for reports: they wait, counted on, until the database is back."""
    reporter, told = Reporter(), list[str]()
    away = database_url.replace("dbname=test_", "dbname=gone_")
    async with Database.open(away, Role.APP, connect_timeout_s=2) as nowhere:
        writer = writer_of(nowhere, reporter, told)
        reporter.report(malformed("192.0.2.1"))
        assert not await writer.write(everything=False)
        reporter.report(malformed("192.0.2.1"))
        assert not await writer.write(everything=True)

    assert await writer_of(db, reporter, told).write(everything=False)

    assert [2] == [row.detail["times"] for row in await rows(db)]
    assert [] == told


async def test_what_the_database_does_not_take_is_lost_and_said_so(
    db: Database, admin_dsn: str
) -> None:
    """A drop is counted, and the count is itself an event."""
    reporter, told = Reporter(), list[str]()
    writer = writer_of(db, reporter, told)
    for _ in range(7):
        reporter.report(malformed("192.0.2.1"))
    with refused_by_the_database(admin_dsn):
        assert not await writer.write(everything=True)

    assert await writer.write(everything=True)
    assert await writer.write(everything=True)

    assert ["CheckViolation"] == told
    assert [("events.lost", {"times": 7})] == [(r.kind, r.detail) for r in await rows(db)]


async def test_what_waits_is_written_at_the_stop(db: Database) -> None:
    """A stop loses nothing; kill -9 loses at most the interval."""
    reporter = Reporter()
    running = asyncio.create_task(writer_of(db, reporter, []).run())
    await asyncio.sleep(0)
    reporter.report(malformed("192.0.2.1"))
    running.cancel()
    await asyncio.wait({running})

    assert ["key.malformed"] == [row.kind for row in await rows(db)]
