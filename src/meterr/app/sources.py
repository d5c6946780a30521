"""Sources of questions: meterr's own views and tenants' databases, from settings and a database."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meterr.app import encryption
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys
from meterr.core.db import Database, Role
from meterr.core.http.outbound import AllowList, Guard
from meterr.core.settings import Settings
from meterr.query.run import Limits
from meterr.query.sources import SourceBook, SourceOpener, Sources


@asynccontextmanager
async def open_source_book(settings: Settings, dsn: str) -> AsyncIterator[SourceBook]:
    """Yield the book of tenants' own sources. Raises KeyMissing."""
    async with Database.open(dsn, Role.APP, pool_size_max=2) as db:
        yield _book(settings, db, encryption.required(settings))


def with_own_databases(
    settings: Settings, db: Database, usage: SourceOpener, held: Limits
) -> SourceOpener:
    """Return what opens ``usage`` and tenants' own databases; these only where keys seal them."""
    keys = encryption.configured(settings)
    if keys is None:
        return usage
    return Sources(usage, _book(settings, db, keys), _guard(settings), held)


def _book(settings: Settings, db: Database, keys: KeyEncryptionKeys) -> SourceBook:
    return SourceBook(db, DataKeys(keys, SystemClock()), _guard(settings), os.urandom)


def _guard(settings: Settings) -> Guard:
    return Guard(AllowList.parse(settings.outbound.allow))
