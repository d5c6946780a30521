"""A line to PostgreSQL that can be cut at a statement, before or after the server has done it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Line:
    """The way to PostgreSQL; ``cut`` breaks it at the next statement of that kind that passes."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.cut: str | None = None  # "before" or "after" PostgreSQL did it
        self.at = b"COMMIT"
        self.messages = 0  # that clients sent, each in one piece
        self.carrying: set[asyncio.Task[None]] = set()

    def connected(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        self.carrying.add(asyncio.create_task(self.carry(client, answers)))

    async def carry(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, questions = await asyncio.open_unix_connection(self._socket)
        back = asyncio.create_task(relay(server, answers))
        while data := await client.read(65_536):
            self.messages += 1
            when = self.cut if self.at in data else None
            if when is not None:
                self.cut = None
                back.cancel()
                if when == "after":
                    await asyncio.gather(back, return_exceptions=True)
                    questions.write(data)
                    assert await server.read(65_536)
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
