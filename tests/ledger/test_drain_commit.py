"""A commit whose answer never comes: the drain cannot know its outcome, and need not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from drain_house import House
from journal_samples import PRICE, a_settled, an_opened
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.outage import DatabaseUnavailable
from meterr.ledger.journal import Journal

CALLS = 20


class Line:
    """The way to PostgreSQL; ``cut_at_commit`` breaks it at the next commit that passes."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.cut_at_commit: str | None = None  # "before" or "after" PostgreSQL did it
        self.carrying: set[asyncio.Task[None]] = set()

    def connected(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        self.carrying.add(asyncio.create_task(self.carry(client, answers)))

    async def carry(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, questions = await asyncio.open_unix_connection(self._socket)
        back = asyncio.create_task(relay(server, answers))
        while data := await client.read(65_536):
            when = self.cut_at_commit if b"COMMIT" in data else None
            if when is not None:
                self.cut_at_commit = None
                back.cancel()
                if when == "after":
                    await asyncio.gather(back, return_exceptions=True)
                    questions.write(data)
                    assert b"COMMIT" in await server.read(65_536)
                break
            questions.write(data)
        for writer in (questions, answers):
            writer.close()
        await asyncio.gather(
            back, questions.wait_closed(), answers.wait_closed(), return_exceptions=True
        )


async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)


@asynccontextmanager
async def a_line(dsn: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to the server of ``dsn``, and the DSN that uses it."""
    parts = conninfo_to_dict(dsn)
    name = f".s.PGSQL.{parts['port']}"
    line = Line(f"{parts['host']}/{name}")
    with TemporaryDirectory(prefix="m") as folder:  # short: a socket's path has little room
        async with await asyncio.start_unix_server(line.connected, f"{folder}/{name}"):
            yield line, make_conninfo(dsn, host=folder)
        await asyncio.gather(*line.carrying)


def write(journal: Journal, house: House) -> set[str]:
    ids = {house.ids.new() for _ in range(CALLS)}
    for call_id in ids:
        journal.opened(an_opened(call_id), PRICE)
        journal.settled(a_settled(call_id), PRICE)
    return ids


@pytest.mark.parametrize(("when", "rows", "duplicates"), [("before", 2, 0), ("after", 1, 1)])
async def test_a_lost_answer_to_a_commit_costs_no_row_and_doubles_none(
    tmp_path: Path, database_url: str, admin_dsn: str, when: str, rows: int, duplicates: int
) -> None:
    """P2: the drain goes on from what it knows to be committed; PostgreSQL ignores the rest."""
    async with a_line(database_url) as (line, dsn):
        house = House(tmp_path, dsn, admin_dsn)
        with closing(house.journal()) as journal:
            async with house.drain() as drain:
                written = write(journal, house)
                await drain.drain_once()
                written |= write(journal, house)
                line.cut_at_commit = when
                with pytest.raises(DatabaseUnavailable):
                    await drain.drain_once()
                assert CALLS == drain.report.rows
                assert CALLS * (1 + duplicates) == len(house.states())
                await drain.drain_once()
                assert (CALLS * rows, CALLS * duplicates) == (
                    drain.report.rows,
                    drain.report.duplicates,
                )
    assert dict.fromkeys(written, "settled") == house.states()
