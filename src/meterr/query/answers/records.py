"""What is kept of a question: a security event with a digest, and never a word of it."""

import hashlib

from meterr.core import events
from meterr.core.db import Database
from meterr.core.errors import MeterrError
from meterr.query.answers.errors import QuestionDeclined
from meterr.query.answers.model import SQL_GIVEN, AskedBack, Asker, Given, Inquiry

ASKED_BACK = "asked-back"
CLIENT_GONE = "client-gone"


class Records:
    """Writes what came of questions. ``db`` acts as ``Role.APP``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def answered(self, asker: Asker, inquiry: Inquiry, outcome: Given | AskedBack) -> None:
        """Record an answer, or that something was asked back. Raises DatabaseUnavailable."""
        if isinstance(outcome, AskedBack):
            await self._write(events.Kind.QUERY_REFUSED, asker, inquiry, ASKED_BACK)
        else:
            kind = events.Kind.QUERY_RAN
            await self._write(kind, asker, inquiry, "answered", sql=outcome.sql, tier=outcome.tier)

    async def refused(self, asker: Asker, inquiry: Inquiry, error: MeterrError) -> None:
        """Record that there was no answer. Raises DatabaseUnavailable."""
        sql = error.sql if isinstance(error, QuestionDeclined) else ""
        kind = events.Kind.QUERY_REFUSED
        await self._write(kind, asker, inquiry, error.code, reason=error.reason, sql=sql)

    async def left(self, asker: Asker, inquiry: Inquiry) -> None:
        """Record that nobody waited for the answer. Raises DatabaseUnavailable."""
        await self._write(events.Kind.QUERY_REFUSED, asker, inquiry, CLIENT_GONE)

    async def _write(
        self,
        kind: events.Kind,
        asker: Asker,
        inquiry: Inquiry,
        code: str,
        *,
        reason: str = "",
        sql: str = "",
        tier: str = "",
    ) -> None:
        sql = inquiry.sql or sql
        tier = tier or (SQL_GIVEN if inquiry.sql is not None else "")
        said = {"code": code, "reason": reason, "tier": tier, "sql_sha256": sql and _digest(sql)}
        told = events.Event(
            kind,
            asker.tenant_id,
            events.acting_source(),
            events.Target(events.TargetKind.SOURCE, inquiry.source),
            {name: value for name, value in said.items() if value},
        )
        async with self._db.session() as connection:
            await events.record(connection, told)


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode("utf-8", "surrogatepass")).hexdigest()
