"""A session for questions: settings, for each one transaction, an end without a commit."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import psycopg
from psycopg import waiting
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from meterr.core import outage
from meterr.core.received import GreetedConnection, at_most
from meterr.core.sql import load_sql
from meterr.query.parser import GRAMMAR_MAJOR
from meterr.query.run.model import Limits
from meterr.query.run.values import load_as_json
from meterr.query.walls import QueryNotSetUp

_SQL: Final = load_sql("meterr.query.run")
CONNECT_TIMEOUT_S: Final = 5
# The server ends a long statement by itself; only one that stopped answering takes longer.
_ANSWER_GRACE_S: Final = 2
_CANCEL_S: Final = 2
_REST_S: Final = 2
_WAIT_INTERVAL_S: Final = 0.1
# Whatever is no row: a plan holds every constant of its statement, computed and written out.
_ANSWER_BYTES_MAX: Final = 2 * 1024 * 1024


class QuestionConnection(GreetedConnection):
    """A connection that waits no longer than it may, for one question at a time."""

    answer_timeout_s: float = CONNECT_TIMEOUT_S
    answer_bytes_max: int = _ANSWER_BYTES_MAX
    opened_at: float = 0  # by the loop's clock
    may_wait: bool = False

    async def wait(
        self, gen: PQGen[RV], interval: float = _WAIT_INTERVAL_S, timeout: float | None = None
    ) -> RV:
        # Not what the base does: it keeps whoever is cancelled until the server has ended, too.
        wait_s = self.answer_timeout_s if timeout is None else timeout
        counted = at_most(self.answer_bytes_max, gen, self.pgconn.socket)
        return await waiting.wait_async(
            counted, self.pgconn.socket, interval=interval, timeout=wait_s
        )

    async def answer(self, gen: PQGen[RV]) -> RV:
        """Wait for the whole answer to what was sent, refused as soon as its length is told."""
        counted = at_most(
            self.answer_bytes_max,
            gen,
            self.pgconn.socket,
            at_message=not self.pgconn.ssl_in_use,
        )
        return await waiting.wait_async(
            counted, self.pgconn.socket, interval=_WAIT_INTERVAL_S, timeout=self.answer_timeout_s
        )

    async def begin(self) -> bool:
        """Begin the transaction of another question; False when the session is dead."""
        begun = False
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self.execute(_SQL["begin"])
            begun = True
        except (psycopg.Error, OSError, TimeoutError):
            pass  # it ended while it waited, or its server did
        finally:
            if not begun:
                self.pgconn.finish()
        return begun

    async def rest(self) -> bool:
        """
        Undo a question and forget whatever the session knows of it.

        False when that cannot be: a statement still runs, or the server does not answer; or when
        the question failed, since perhaps this session is why.
        """
        if self.pgconn.transaction_status != TransactionStatus.INTRANS:
            return False
        self.answer_bytes_max = _ANSWER_BYTES_MAX
        try:
            async with asyncio.timeout(_REST_S):
                await self.execute(_SQL["undo"])
                await self.execute(_SQL["forget"])
        except (psycopg.Error, OSError, TimeoutError):
            return False
        return True

    async def end(self) -> None:
        """Stop whatever runs and close; nothing is committed, ever."""
        try:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await self.cancel_safe(timeout=_CANCEL_S)
        except psycopg.Error:
            pass  # the server notices by itself that nobody is there any more
        finally:
            self.pgconn.finish()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, dsn: str, limits: Limits, search_path: Sequence[str] = ("usage",)
    ) -> AsyncIterator[Self]:
        """Yield a session as ``open`` returns it, which ends with the block."""
        connection = await cls.open(dsn, limits, search_path)
        try:
            yield connection
        finally:
            await asyncio.shield(connection.end())

    @classmethod
    async def open(cls, dsn: str, limits: Limits, search_path: Sequence[str] = ("usage",)) -> Self:
        """
        Return a session in a read-only transaction that will be rolled back.

        Bare names are looked up in pg_catalog first, then in the schemas of ``search_path``.

        Raises DatabaseUnavailable, also for a login that the server does not take; QueryNotSetUp
        for a server that is too new.
        """
        connection = await cls._open(dsn, limits, search_path)
        if connection.info.server_version // 10_000 > GRAMMAR_MAJOR:
            connection.pgconn.finish()
            raise QueryNotSetUp(
                "This PostgreSQL is newer than the grammar of the guard: update meterr."
            )
        load_as_json(connection.adapters)
        connection.answer_timeout_s = limits.timeout_s + _ANSWER_GRACE_S
        connection.opened_at = asyncio.get_running_loop().time()
        return connection

    @classmethod
    async def _open(cls, dsn: str, limits: Limits, search_path: Sequence[str]) -> Self:
        connection: Self | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await cls.connect(
                    dsn,
                    autocommit=True,  # the one transaction is begun by name, below
                    application_name="meterr question",
                    client_encoding="UTF8",
                    prepare_threshold=None,  # what is forgotten would be called by its name
                    options=_options(dsn, limits, search_path),
                )
                connection.hear_nobody()
                await connection.execute(_SQL["begin"])
        # Cancelled or failed, a session that was opened is nobody's any more.
        except BaseException as error:
            if connection is not None:
                connection.pgconn.finish()
            if isinstance(error, psycopg.Error | OSError | TimeoutError):
                raise outage.of(error) from None  # the login's name stays with us
            raise
        return connection


def _options(dsn: str, limits: Limits, search_path: Sequence[str]) -> str:
    settings = {
        "search_path": ",".join(map(_identifier, ["pg_catalog", *search_path])),
        "default_transaction_read_only": "on",
        "statement_timeout": f"{int(limits.timeout_s * 1000)}ms",
        "idle_in_transaction_session_timeout": "10s",
        "client_connection_check_interval": "250ms",
        "lock_timeout": "2s",
        "work_mem": f"{limits.work_mem_kib}kB",
        "hash_mem_multiplier": "1",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "standard_conforming_strings": "on",
        "row_security": "on",
        "TimeZone": "UTC",
        "DateStyle": "ISO,YMD",
        "IntervalStyle": "iso_8601",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "default_transaction_isolation": "read\\ committed",
        "client_min_messages": "error",
    }
    theirs = str(conninfo_to_dict(dsn).get("options") or "")
    return " ".join([theirs, *(f"-c {name}={value}" for name, value in settings.items())]).strip()


def _identifier(name: str) -> str:
    """Quote a name for a list of names, and that for libpq's list of options."""
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted.replace("\\", "\\\\").replace(" ", "\\ ")
