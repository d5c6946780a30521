"""The drain when something is away: PostgreSQL, disk space, or its turn."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from drain_house import SMALL, House
from journal_house import exhaust, small_disk
from journal_samples import PRICE, a_settled, an_opened
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.migrate import migrate
from meterr.core.outage import DatabaseUnavailable
from meterr.core.postgres import EmbeddedPostgres
from meterr.ledger.journal import (
    AnotherDrain,
    DrainState,
    Journal,
    JournalFull,
    Limits,
    Notice,
    folder,
)
from meterr.ledger.journal.tail import WINDOW_BYTES
from support import server

NOBODY = "host=/nonexistent dbname=meterr user=meterr"


@pytest.fixture
def house(tmp_path: Path, database_url: str, admin_dsn: str) -> House:
    return House(tmp_path, database_url, admin_dsn)


@pytest.fixture
def mortal_postgres(data_root: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, durable as in production, to be stopped and killed."""
    with EmbeddedPostgres(data_root, server.newest_binaries()) as running:
        yield running


def write(journal: Journal, house: House, count: int) -> None:
    for _ in range(count):
        call_id = house.ids.new()
        journal.opened(an_opened(call_id), PRICE)
        journal.settled(a_settled(call_id), PRICE)
    journal.flush()


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for what must come about; the timeout only ends a failed test."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what we wait for happens in the kernel or a task)
            await asyncio.sleep(0.01)


class TestPostgresqlThatGoesAway:
    async def test_stopped_and_killed_in_the_middle_costs_no_row_and_doubles_none(
        self, tmp_path: Path, mortal_postgres: EmbeddedPostgres
    ) -> None:
        """P2: the journal holds the ledger; all drains when the server returns."""
        await migrate(mortal_postgres.dsn)
        name = conninfo_to_dict(mortal_postgres.dsn)["dbname"]
        admin_dsn = make_conninfo(mortal_postgres.admin_dsn, dbname=name)
        house = House(tmp_path, mortal_postgres.dsn, admin_dsn)
        stop = asyncio.Event()
        async with house.drain() as drain:
            with closing(house.journal(Limits(segment_bytes=65_536))) as journal:
                running = asyncio.create_task(drain.run(stop))
                write(journal, house, 2000)
                await until(lambda: drain.report.rows > 0)
                os.kill(mortal_postgres.pid, signal.SIGKILL)
                write(journal, house, 2000)
                await until(lambda: drain.report.state is DrainState.STUCK)
                assert drain.report.bytes_behind > 0
                assert drain.report.oldest_unix_ms is not None
                await until(lambda: mortal_postgres.poll() is not None)
                mortal_postgres.ensure_running()
                await until(lambda: drain.report.state is DrainState.CAUGHT_UP)
                mortal_postgres.stop()
                write(journal, house, 2000)
                await until(lambda: drain.report.state is DrainState.STUCK)
                mortal_postgres.start()
                await until(lambda: drain.report.bytes_behind == 0 and not drain.report.trouble)
                stop.set()
                await running
        states = house.states()
        assert 6000 == len(states)
        assert {"settled"} == set(states.values())
        assert Notice.STUCK in {notice for notice, _ in house.heard}

    async def test_is_waited_for_without_reading_ahead(self, tmp_path: Path) -> None:
        """P9: an outage fills the disk up to its limit, never the memory."""
        house = House(tmp_path, NOBODY, NOBODY)
        with closing(house.journal(Limits())) as journal:
            write(journal, house, 5000)
            async with house.drain() as drain:
                for _ in range(3):
                    with pytest.raises(DatabaseUnavailable):
                        await drain.drain_once()
                held = sum(portion.bytes for portion in drain._waiting.values())
                assert 0 < held <= WINDOW_BYTES
            assert 1 == len(folder.process_folders(tmp_path))

    async def test_is_not_asked_when_there_is_nothing_to_say(self, tmp_path: Path) -> None:
        """P9: an idle drain costs a directory listing."""
        house = House(tmp_path, NOBODY, NOBODY)
        with closing(house.journal()):
            async with house.drain() as drain:
                assert 0 == await drain.drain_once()
                assert (DrainState.CAUGHT_UP, 0) == (drain.report.state, drain.report.bytes_behind)


class TestTwoDrains:
    async def test_of_one_root_take_turns(self, house: House) -> None:
        """P2: one drain per root; the other says so and takes over when the first is gone."""
        with closing(house.journal()) as journal:
            write(journal, house, 3)
            stop = asyncio.Event()
            async with house.drain() as second:
                async with house.drain() as first:
                    await first.drain_once()
                    with pytest.raises(AnotherDrain):
                        await second.drain_once()
                    running = asyncio.create_task(second.run(stop))
                    await until(lambda: second.report.state is DrainState.WAITING)
                write(journal, house, 3)
                await until(lambda: second.report.rows == 3)
                stop.set()
                await running
        assert 6 == len(house.states())

    async def test_a_folder_whose_process_lives_is_not_closed_under_it(self, house: House) -> None:
        """P2: an open call of a living process stays open, however often it is looked at."""
        with closing(house.journal()) as journal:
            call_id = house.ids.new()
            journal.opened(an_opened(call_id), PRICE)
            for _ in range(3):
                assert 1 == (await house.drained()).report.open_calls
            assert {} == house.states()


class TestAFullDisk:
    async def test_does_not_keep_the_drain_from_making_room(
        self, tmp_path: Path, database_url: str, admin_dsn: str
    ) -> None:
        """P2: what must be written to free a full disk may wait; calls go on when there is room."""
        with small_disk(tmp_path, size_kib=448) as disk:
            house = House(disk, database_url, admin_dsn)
            with closing(house.journal(Limits(segment_bytes=65_536, retry_s=0.01))) as journal:
                open_calls = []
                with suppress(JournalFull):
                    while True:
                        call_id = house.ids.new()
                        journal.opened(an_opened(call_id), PRICE)
                        open_calls.append(call_id)
                exhaust(disk / "filler")
                for call_id in open_calls[5:]:
                    journal.settled(a_settled(call_id, error="e" * 3000), PRICE)
                journal.flush()
                async with house.drain() as drain:
                    await drain.drain_once()
                    assert "00000001.journal" == folder.segments(journal.path)[0].name
                    for call_id in open_calls[:5]:
                        journal.settled(a_settled(call_id), PRICE)
                    journal.flush()
                    await drain.drain_once()
                    assert "00000001.journal" < folder.segments(journal.path)[0].name
                    await until(lambda: is_accepted(journal, house))
                    await drain.drain_once()
            assert set(open_calls) <= house.states().keys()

    async def test_of_one_process_folder_does_not_hold_up_the_others(self, house: House) -> None:
        """P2: a file that cannot be read stops its own process's rows and no other's."""
        with closing(house.journal()) as bad, closing(house.journal()) as good:
            write(good, house, 5)
            (bad.path / "00000009.journal").mkdir()
            async with house.drain() as drain:
                with pytest.raises(IsADirectoryError):
                    await drain.drain_once()
                stop = asyncio.Event()
                running = asyncio.create_task(drain.run(stop))
                await until(lambda: drain.report.state is DrainState.STUCK)
                write(good, house, 5)
                await until(lambda: drain.report.rows == 10)
                stop.set()
                await running
        assert 10 == len(house.states())


def is_accepted(journal: Journal, house: House) -> bool:
    call_id = house.ids.new()
    with suppress(JournalFull):
        journal.opened(an_opened(call_id), PRICE)
        journal.settled(a_settled(call_id))
        return True
    return False


async def test_what_a_killed_drain_left_of_a_folder_is_cleared(house: House) -> None:
    """P2: a folder without its lock is either empty or not ours to judge."""
    (house.root / "01990000-0000-7000-8000-000000000000").mkdir(parents=True)
    await house.drained()
    assert [] == folder.process_folders(house.root)
    with closing(house.journal(SMALL)) as journal:
        write(journal, house, 1)
    await house.drained()
    assert 1 == len(house.states())


async def test_bytes_that_cannot_be_judged_yet_count_as_behind(house: House) -> None:
    """P2: damage in a segment still written holds reading up; the drain does not say it is done."""
    with closing(house.journal()) as journal:
        write(journal, house, 3)
        (segment, *_) = folder.segments(journal.path)
        end = len(segment.read_bytes().rstrip(b"\0"))
        with segment.open("rb+") as file:
            file.seek(end - 10)
            file.write(b"\0")
        assert (await house.drained()).report.bytes_behind > 0
        assert 2 == len(house.states())
    drain = await house.drained()
    assert (0, 1) == (drain.report.bytes_behind, drain.report.damaged)
    assert {"settled": 2, "interrupted": 1} == Counter(house.states().values())
