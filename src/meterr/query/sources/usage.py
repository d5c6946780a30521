"""The one source that every tenant has."""

import asyncio

from meterr.core.db import Database
from meterr.query.language.words import usage_words
from meterr.query.run import Limits, Runner, UsageSource
from meterr.query.run.sessions import Sessions
from meterr.query.sources.model import USAGE, OpenSource, UnknownSource


class UsageSources:
    """Opens ``usage``, read from the database with the first question. One event loop."""

    def __init__(self, db: Database, sessions: Sessions, limits: Limits) -> None:
        """``db`` acts as ``Role.APP``."""
        self._db = db
        self._sessions = sessions
        self._limits = limits
        self._usage: OpenSource | None = None
        self._reading = asyncio.Lock()

    async def open(self, tenant_id: str, name: str) -> OpenSource:
        """Return the source. Raises UnknownSource, DatabaseUnavailable."""
        if name != USAGE:
            raise UnknownSource((USAGE,))
        async with self._reading:
            if self._usage is None:
                self._usage = await self._read(tenant_id)
        return self._usage

    async def _read(self, tenant_id: str) -> OpenSource:
        source = await UsageSource.read(self._db)
        return OpenSource(
            name=USAGE,
            runner=Runner(source, self._sessions, self._limits),
            catalogue=source.catalogue(tenant_id),
            described=source.described(),
            words=usage_words(),
        )
