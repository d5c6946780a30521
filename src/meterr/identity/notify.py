"""
Hearing of every change: LISTEN on a connection of our own, and a heartbeat that proves we still do.

PostgreSQL delivers notices in the order of their commits, so a heartbeat that came back carries
with it every change committed before it was sent. The connection is also the one prober of the
process: whether the server is absent or merely silent is judged by attempts to *open* it and by
nothing else. A session that ends, even "due to administrator command", proves nothing: an
administrator may have ended that one session.

Whoever has any login of the database may send notices, too. What is none of ours changes nothing;
one that looks like ours costs reads, never a verdict, and how many is limited (``key_memory``).
Notices of later releases keep the fields that are read here.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Protocol

import psycopg
from psycopg import Notify

from meterr.core.clock import Clock
from meterr.core.db import Connection, DatabaseUnavailable, Role, connect
from meterr.identity import store
from meterr.identity.deadline import within
from meterr.identity.trust import Trust

CHANNEL: Final = "meterr_identity"
BEAT_S: Final = 0.25
ANSWER_TIMEOUT_S: Final = 1.0
# An attempt that broke off may have met a server in the act of dying; the next one knows.
DOUBTS_MAX: Final = 3
_PAUSE_S_MIN: Final = 0.02
_PAUSE_S_MAX: Final = 0.25


NOTICE_CHARS_MAX: Final = 1_000
VERSION_MAX: Final = 2**63 - 1


class Memory(Protocol):
    """What a listener keeps true: keys, sessions."""

    def hear(self, payload: str) -> bool:
        """Forget what a notice is about. Return whether it was one of ours."""

    def start_generation(self) -> None:
        """Begin anew after a gap in the notices: nothing read before now may be remembered."""

    async def catch_up(self, connection: Connection) -> None:
        """
        Read again what is worth it, on the connection that listens.

        Notices of later commits can only arrive behind the rows, so nothing falls between the two.
        """


class Listener:
    """Keep one connection listening, feed a memory, report to the trust. Owned by one loop."""

    def __init__(
        self,
        dsn: str,
        memory: Memory,
        trust: Trust,
        clock: Clock,
        on_news: Callable[[], None],
        role: Role = Role.AUTH,
    ) -> None:
        self._dsn = dsn
        self._role = role
        self._memory = memory
        self._trust = trust
        self._clock = clock
        self._on_news = on_news
        self._pulse = f"meterr_pulse_{secrets.token_hex(8)}"
        self._pause_s = _PAUSE_S_MIN
        self._doubts = 0
        # What went wrong last, for the log; holds no secret: psycopg quotes no password.
        self.trouble = ""

    async def run(self) -> None:
        """Listen until cancelled; every failure ends in a new attempt after at most 0.25 s."""
        try:
            while True:
                connection = await self._reach()
                if connection is not None:
                    await self._listen_while_it_lasts(connection)
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(_PAUSE_S_MAX, self._pause_s * 2)
        finally:
            self._trust.lost()
            self._on_news()

    async def _reach(self) -> Connection | None:
        """Open a connection or learn why not: the only place that may find the server absent."""
        opening = connect(
            self._dsn,
            self._role,
            # Longer than ours: `within` forgives a stall of our own loop, a plain timeout does not.
            connect_timeout_s=2 * ANSWER_TIMEOUT_S,
            statement_timeout_s=ANSWER_TIMEOUT_S,
            autocommit=True,
        )
        try:
            connection = await within(ANSWER_TIMEOUT_S, opening)
        except DatabaseUnavailable as error:
            self._judge(error)
        except TimeoutError:
            self._silent("no answer to a new connection")
        else:
            self._doubts = 0
            self._trust.reached()
            return connection
        finally:
            self._on_news()
        return None

    def _judge(self, error: DatabaseUnavailable) -> None:
        self.trouble = error.private
        if error.server_absent:
            self._doubts = 0
            self._trust.absent(self._clock.monotonic())
            return
        self._doubts += 1
        if self._doubts >= DOUBTS_MAX:
            self._trust.unreachable(self._clock.monotonic())

    def _silent(self, trouble: str) -> None:
        self.trouble = trouble
        self._trust.unreachable(self._clock.monotonic())

    async def _listen_while_it_lasts(self, connection: Connection) -> None:
        try:
            await within(ANSWER_TIMEOUT_S, self._listen(connection))
            self._memory.start_generation()
            await self._memory.catch_up(connection)
            self._trust.synced()
            await self._attend(connection)
        except TimeoutError:
            self._trust.lost()
            self._silent("no answer on the listening connection")
        except psycopg.Error as error:
            self.trouble = f"{type(error).__name__}: {error}"
            self._trust.lost()
        finally:
            self._on_news()
            await connection.close()

    async def _listen(self, connection: Connection) -> None:
        await store.listen(connection, CHANNEL)
        await store.listen(connection, self._pulse)

    async def _attend(self, connection: Connection) -> None:
        next_beat = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if now >= next_beat:
                await within(ANSWER_TIMEOUT_S, store.beat(connection, self._pulse, now.hex()))
                next_beat = now + BEAT_S
            wait_s = max(0.0, next_beat - self._clock.monotonic())
            async with aclosing(connection.notifies(timeout=wait_s, stop_after=1)) as notices:
                async for notify in notices:
                    self._hear(notify, connection.info.backend_pid)
            await self._memory.catch_up(connection)

    def _hear(self, notify: Notify, own_pid: int) -> None:
        if notify.channel == CHANNEL:
            if len(notify.payload) <= NOTICE_CHARS_MAX:
                self._memory.hear(notify.payload)
        elif notify.channel == self._pulse and notify.pid == own_pid:
            self._trust.echoed(float.fromhex(notify.payload))
            self._pause_s = _PAUSE_S_MIN
            self._on_news()
