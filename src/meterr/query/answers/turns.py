"""How many questions one person has open at the same time, over all processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.query.answers import store
from meterr.query.walls import TooManyQuestions

_GRACE_S: Final = 30


class Turns:
    """Counts by name, in PostgreSQL. ``db`` acts as ``Role.APP``."""

    def __init__(self, db: Database, at_once_max: int) -> None:
        self._db = db
        self._at_once_max = at_once_max

    @asynccontextmanager
    async def taken(self, name: str, seconds: float) -> AsyncIterator[None]:
        """
        Hold one for the block; of a process that dies in it, until ``seconds`` and some more.

        Raises TooManyQuestions, DatabaseUnavailable.
        """
        # A task of its own: whoever is cancelled meanwhile would not know which one to give back.
        taking = asyncio.create_task(self._take(name, seconds))
        try:
            if await asyncio.shield(taking) is None:
                raise TooManyQuestions(self._at_once_max)
            yield
        finally:
            await asyncio.shield(self._give_back(taking))

    async def _take(self, name: str, seconds: float) -> str | None:
        async with self._db.session() as connection:
            return await store.take_turn(connection, name, self._at_once_max, seconds + _GRACE_S)

    async def _give_back(self, taking: asyncio.Task[str | None]) -> None:
        with suppress(Unavailable):  # it ends by itself
            turn = await taking
            if turn is not None:
                async with self._db.session() as connection:
                    await store.end_turn(connection, turn)
