"""The use case: a tenant's SQL, judged, run as the tenant, answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from meterr.query.catalogue import Catalogue
from meterr.query.guard import GuardedQuery, guard
from meterr.query.refusal import Code, Refusal
from meterr.query.run.errors import QueryRefused
from meterr.query.run.execution import execute
from meterr.query.run.model import Answer, Limits
from meterr.query.run.sessions import Sessions
from meterr.query.walls import TooManyQuestions


class Source(Protocol):
    """Says what a tenant may ask about."""

    def catalogue(self, tenant_id: str) -> Catalogue:
        """Return the relations that questions of this tenant may name."""


class Turns:
    """
    How many questions each tenant, and all together, have running in this process.

    Each is a session of its own, and PostgreSQL has so many for everything. One event loop.
    """

    def __init__(self, at_once_max: int, everybody_max: int) -> None:
        self._at_once_max = at_once_max
        self._everybody_max = everybody_max
        self._running: dict[str, int] = {}

    @asynccontextmanager
    async def take(self, tenant_id: str) -> AsyncIterator[None]:
        """Count one question more while it runs. Raises TooManyQuestions."""
        running = self._running.get(tenant_id, 0)
        if running >= self._at_once_max:
            raise TooManyQuestions(running)
        together = sum(self._running.values())
        if together >= self._everybody_max:
            raise TooManyQuestions(together)
        self._running[tenant_id] = running + 1
        try:
            yield
        finally:
            self._running[tenant_id] -= 1
            if not self._running[tenant_id]:
                del self._running[tenant_id]


def _refuse_older(query: GuardedQuery, server_major: int) -> None:
    if server_major < query.server_major:
        text = (
            f"SQL's own JSON functions need PostgreSQL {query.server_major} here, and this one is "
            f"{server_major}; jsonb_path_query(...) and its kin can be used."
        )
        raise QueryRefused(Refusal(Code.CONSTRUCT, text))


class Runner:
    """
    Runs questions of all tenants over one source. Belongs to one event loop.

    Runners that share ``turns`` count a tenant's questions together.
    """

    def __init__(
        self, source: Source, sessions: Sessions, limits: Limits, turns: Turns | None = None
    ) -> None:
        self._source = source
        self._sessions = sessions
        self._limits = limits
        self._turns = turns or Turns(limits.at_once_max, limits.everybody_max)

    async def run(self, tenant_id: str, sql: str) -> Answer:
        """
        Answer one SELECT of this tenant's.

        When the caller is cancelled, so is the statement.

        Raises:
            QueryRefused: the guard did not let it through.
            QueryFailed, QueryTooCostly, QueryTimeout: the database did not answer it.
            TooManyQuestions, QueryNotSetUp, DatabaseUnavailable: nobody's fault who asks.
            NotFound: no such tenant, or a disabled one.
        """
        verdict = guard(sql, self._source.catalogue(tenant_id))
        if isinstance(verdict, Refusal):
            raise QueryRefused(verdict)
        async with self._turns.take(tenant_id), self._sessions.open(tenant_id) as connection:
            _refuse_older(verdict, connection.info.server_version // 10_000)
            columns, rows, truncated = await execute(
                connection, verdict.body, self._limits, verdict.sql
            )
        names = sorted(f"{schema}.{name}" for schema, name in verdict.relations)
        return Answer(columns, rows, truncated, sql, tuple(names))
