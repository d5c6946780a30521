"""Sessions with PostgreSQL: one role per pool, one tenant per transaction, one kind of outage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from typing import Self

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.conninfo import conninfo_to_dict

from meterr.core import outage
from meterr.core.acting import SOURCE
from meterr.core.outage import DatabaseUnavailable
from meterr.core.pool import Connection, Pool
from meterr.core.received import GreetedConnection, TooMuchReceived, at_most
from meterr.core.sql import load_sql

__all__ = ["Connection", "Database", "DatabaseUnavailable", "Role", "connect"]

_SQL = load_sql("meterr.core")

# The server ends a long statement by itself; only one that stopped answering takes longer.
_ANSWER_GRACE_S = 5
_WAIT_INTERVAL_S = 0.1


class Role(StrEnum):
    """The group roles of schema/roles.sql; a session acts as exactly one of them."""

    APP = "meterr_app"
    AUTH = "meterr_auth"
    DRAIN = "meterr_drain"
    IDENTITY = "meterr_identity"
    MIGRATE = "meterr_owner"


class Database:
    """
    The database, seen as one role.

    Connections open on first use, so a server that is away at start is no error yet. Raises
    DatabaseUnavailable wherever the server cannot be reached, stops answering or goes away in use;
    a transaction cut off that way may or may not have been committed.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dsn: str,
        role: Role,
        *,
        pool_size_max: int = 4,
        connect_timeout_s: float = 5,
        statement_timeout_s: float = 30,
    ) -> AsyncIterator[Self]:
        """Yield a Database for the block; every connection is closed when it ends."""
        opener = partial(
            connect,
            dsn,
            role,
            connect_timeout_s=connect_timeout_s,
            statement_timeout_s=statement_timeout_s,
            autocommit=True,  # transactions are begun by name, below
        )
        pool = Pool(opener, size_max=pool_size_max, wait_timeout_s=connect_timeout_s)
        try:
            yield cls(pool)
        finally:
            await pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """
        Yield a connection on which each statement is a transaction of its own: one round trip.

        The server waits for nobody between its parts, so what it locks no silent process can hold.
        """
        async with self._pool.connection() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                if outage.is_outage(error, closed=connection.closed):
                    raise outage.of(error) from error
                raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction: committed at the end, rolled back on any error."""
        async with self._begun() as connection:
            source = SOURCE.get()
            if source:
                await connection.execute(_SQL["act_from"], {"source": source})
            yield connection

    @asynccontextmanager
    async def tenant_transaction(
        self, tenant_id: str, *, one_snapshot: bool = False
    ) -> AsyncIterator[Connection]:
        """
        Yield a transaction in which only the rows of ``tenant_id`` exist.

        With ``one_snapshot`` all its statements see the database as the first one did.
        """
        if not tenant_id:
            raise ValueError("tenant_id is empty")
        async with self._begun() as connection:
            if one_snapshot:
                await connection.execute(_SQL["keep_snapshot"])
            said = {"tenant_id": tenant_id, "source": SOURCE.get()}
            await connection.execute(_SQL["act_for_tenant"], said)
            yield connection

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[Connection]:
        async with self.session() as connection, connection.transaction():
            yield connection

    async def server_time_s(self) -> float:
        """Return the server's clock, in seconds since 1970-01-01 UTC."""
        async with self.transaction() as connection:
            row = await (await connection.execute(_SQL["server_time"])).fetchone()
        return float(str(row[0])) if row else 0.0


async def connect(
    dsn: str,
    role: Role | None,
    *,
    connect_timeout_s: float = 5,
    statement_timeout_s: float = 30,
    autocommit: bool = False,
    answer_bytes_max: int | None = None,
) -> Connection:
    """
    Open one connection that acts as ``role`` (None: as the login itself), in UTC.

    ``answer_bytes_max`` is for a server that nobody vouches for: what sends more is disconnected.
    Raises DatabaseUnavailable for whatever keeps it from opening. A pooler between meterr and
    PostgreSQL must pool by session: the role lasts as long as the session.
    """
    try:
        async with asyncio.timeout(connect_timeout_s):
            connection = await _BoundedConnection.connect(
                dsn,
                autocommit=autocommit,
                application_name=f"meterr {role or 'login'}",
                client_encoding="UTF8",
                options=_session_options(dsn, role, statement_timeout_s),
            )
    except (psycopg.Error, OSError, TimeoutError) as error:
        raise outage.of(error) from error
    connection.answer_timeout_s = statement_timeout_s + _ANSWER_GRACE_S
    connection.answer_bytes_max = answer_bytes_max
    if answer_bytes_max is not None:
        connection.hear_nobody()
    return connection


def _session_options(dsn: str, role: Role | None, statement_timeout_s: float) -> str:
    settings = {
        "statement_timeout": f"{int(statement_timeout_s * 1000)}ms",
        "TimeZone": "UTC",
        "standard_conforming_strings": "on",
        # Whoever waited for a lock has to see what its holder committed.
        "default_transaction_isolation": "read\\ committed",
        # The drain deletes what was committed: a commit has to mean it, whatever others set.
        "synchronous_commit": "on",
    }
    if role is not None:
        settings["role"] = role.value
    theirs = str(conninfo_to_dict(dsn).get("options") or "")
    return " ".join([theirs, *(f"-c {name}={value}" for name, value in settings.items())]).strip()


class _BoundedConnection(GreetedConnection):
    """A connection on which a server that stopped answering is an error, not an endless wait."""

    answer_timeout_s: float = 30
    answer_bytes_max: int | None = None

    async def wait(
        self, gen: PQGen[RV], interval: float = _WAIT_INTERVAL_S, timeout: float | None = None
    ) -> RV:
        if timeout is not None:  # LISTEN waits by its own clock
            return await super().wait(gen, interval=interval, timeout=timeout)
        if self.answer_bytes_max is not None:
            gen = at_most(self.answer_bytes_max, gen, self.pgconn.socket)
        try:
            return await super().wait(gen, interval=interval, timeout=self.answer_timeout_s)
        except psycopg.OperationalError as error:
            if error.sqlstate is None or isinstance(error, TooMuchReceived):
                # No answer, or no socket: nobody knows what this session would say next.
                self.pgconn.finish()
            raise
