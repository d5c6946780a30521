"""Open a source by name, so that it can be asked: meterr's own views, or a tenant's database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from meterr.core.db import DatabaseUnavailable
from meterr.core.http.outbound import Guard
from meterr.query.catalogue import Catalogue
from meterr.query.protection import (
    Address,
    Shape,
    SourceUnavailable,
    located,
    opened,
    unavailable,
)
from meterr.query.run import Limits, Runner
from meterr.query.run.connection import QuestionConnection
from meterr.query.run.runner import Turns
from meterr.query.sources import store
from meterr.query.sources.describing import (
    Line,
    catalogue_of,
    described,
    search_path_of,
    with_owners_words,
    words_of,
)
from meterr.query.sources.model import USAGE, OpenSource, SourceOpener
from meterr.query.sources.service import SourceBook, does_not_hold


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one tenant sees of its own database now."""

    whole: Catalogue

    def catalogue(self, tenant_id: str) -> Catalogue:
        del tenant_id  # nobody else has this source
        return self.whole


@dataclass(frozen=True, slots=True)
class _Sessions:
    """By the login that was made in the tenant's own database."""

    address: Address
    guard: Guard
    limits: Limits
    search_path: tuple[str, ...]

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[QuestionConnection]:
        del tenant_id
        dsn = await located(self.address, self.guard)
        opening = QuestionConnection.opened(dsn, self.limits, self.search_path)
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(opening)
            except DatabaseUnavailable as error:
                raise unavailable(error) from None
            yield connection


def seen(lines: Sequence[Line], shape: Shape) -> Catalogue:
    """Return what may be named. Raises SourceUnavailable for tables that nobody asked about."""
    asked = {(table.schema, table.name) for table in shape.tables}
    if not all((line.schema, line.relation) in asked for line in lines):
        raise SourceUnavailable("answer")
    try:
        return catalogue_of(lines)
    except ValueError:  # the same name twice
        raise SourceUnavailable("answer") from None


class Sources:
    """All sources of all tenants: ``usage``, and databases of their own. One event loop."""

    def __init__(self, usage: SourceOpener, book: SourceBook, guard: Guard, limits: Limits) -> None:
        self._usage = usage
        self._book = book
        self._guard = guard
        self._limits = limits
        self._turns = Turns(limits.at_once_max, limits.everybody_max)

    async def open(self, tenant_id: str, name: str) -> OpenSource:
        """
        Open a source; of a tenant's own one, its tables are read now.

        Raises:
            UnknownSource: no such source of this tenant's, with the names that there are.
            QueryNotSetUp: it is not protected, or its walls do not stand, now or at the last check.
            SourceRefused, SourceUnavailable: its database cannot be asked.
        """
        if name == USAGE:
            return await self._usage.open(tenant_id, name)
        source = await self._book.find(tenant_id, name)
        address = await self._book.login_of(tenant_id, source)
        opening = opened(address, self._guard, autocommit=True, timeout_s=self._limits.timeout_s)
        async with opening as connection:
            lines = await store.describe(connection, source.shape)
        if source.shape.tenant_column is not None and not all(line.held for line in lines):
            raise does_not_hold(source)
        whole = seen(lines, source.shape)
        sessions = _Sessions(address, self._guard, self._limits, search_path_of(lines))
        runner = Runner(_Seen(whole), sessions, self._limits, self._turns)
        words = with_owners_words(words_of(lines), source.words)
        return OpenSource(name, runner, whole, described(lines), words)
