"""Sessions between two questions of one tenant: a new one costs more than most questions."""

import asyncio
from typing import Final

from meterr.query.run.connection import QuestionConnection
from meterr.query.walls import Login

_SESSIONS_MAX: Final = 8
# What a login may is read when it logs in, and what a session has read of the catalogue it keeps.
_LIFE_S: Final = 300


class IdleSessions:
    """
    Keeps at most one session for each login, for ``kept_s`` seconds. Belongs to one event loop.

    What is kept has been undone and has forgotten its question, and is only ever that login's.
    """

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._idle: dict[Login, tuple[QuestionConnection, asyncio.TimerHandle]] = {}
        self._closed = False

    def take(self, login: Login) -> QuestionConnection | None:
        """Return the session that waits for this login, if one does; it may be dead."""
        found = self._idle.pop(login, None)
        if found is None:
            return None
        connection, timer = found
        timer.cancel()
        return connection

    def keep(self, login: Login, connection: QuestionConnection) -> None:
        """Keep a session in the place of the one before; of too many the oldest ends."""
        loop = asyncio.get_running_loop()
        left_s = connection.opened_at + _LIFE_S - loop.time()
        if self._closed or left_s <= 0:
            connection.pgconn.finish()
            return
        self._end(login)
        if len(self._idle) >= _SESSIONS_MAX:
            self._end(next(iter(self._idle)))
        timer = loop.call_later(min(self._kept_s, left_s), self._end, login)
        self._idle[login] = connection, timer

    def close(self) -> None:
        """End all of them, and whatever comes to be kept after this."""
        self._closed = True
        for login in list(self._idle):
            self._end(login)

    def _end(self, login: Login) -> None:
        connection = self.take(login)
        if connection is not None:
            connection.pgconn.finish()
