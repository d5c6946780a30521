"""Everything that is sealed under the key-encryption keys of this installation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from meterr.core.crypto import SealedColumn
from meterr.core.db import Database, Role
from meterr.identity import provider_credentials
from meterr.identity.factors import vault
from meterr.identity.sessions import signing_keys
from meterr.query import sources, walls

SEALED_COLUMNS: Final[Mapping[SealedColumn, Role]] = {
    provider_credentials.SECRET: Role.APP,
    vault.SECRET: Role.IDENTITY,
    signing_keys.SECRET: Role.APP,
    walls.PASSWORD: Role.APP,
    sources.URL: Role.APP,
}
"""Every column of sealed values, with the role that may write it: what a rotation has to visit."""


@asynccontextmanager
async def open_sealed_columns(dsn: str) -> AsyncIterator[Mapping[SealedColumn, Database]]:
    """Yield every sealed column, each with the database seen as the role that may write it."""
    async with AsyncExitStack() as stack:
        seen = {
            role: await stack.enter_async_context(Database.open(dsn, role, pool_size_max=1))
            for role in dict.fromkeys(SEALED_COLUMNS.values())
        }
        yield {column: seen[role] for column, role in SEALED_COLUMNS.items()}
