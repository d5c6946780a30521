"""TOTP secrets at rest: sealed under the platform's data key, each for its own row."""

from typing import Final
from uuid import UUID

from meterr.core.crypto import DataKeys, Place, SealedColumn
from meterr.core.db import Connection, Database
from meterr.core.policy import PLATFORM

SECRET: Final = SealedColumn(
    table="totp_factor",
    column="sealed",
    keys=("user_id", "factor_id"),
    tenant_column="platform_id",
)


class Vault:
    """
    How TOTP secrets are sealed: people are no tenant's, so under the platform's data key.

    ``db_app`` is the database as ``Role.APP``. The role of people may use a data key and not make
    one, so ``prepare`` makes the first one in its place.
    """

    def __init__(self, data_keys: DataKeys, db_app: Database) -> None:
        self._data_keys = data_keys
        self._db_app = db_app

    async def prepare(self) -> None:
        """See to it that there is a data key; before each transaction that seals."""
        async with self._db_app.tenant_transaction(PLATFORM) as connection:
            await self._data_keys.prepare(connection, PLATFORM)

    async def seal(
        self, connection: Connection, user_id: str, factor_id: str, secret: bytes
    ) -> bytes:
        """Return ``secret`` sealed for its row, to be written in this transaction of PLATFORM."""
        return await self._data_keys.seal(connection, _place(user_id, factor_id), secret)

    async def open(
        self, connection: Connection, user_id: str, factor_id: str, sealed: bytes
    ) -> bytes:
        """Return the secret. Raises Unreadable for what was not sealed here for this row."""
        return await self._data_keys.open(connection, _place(user_id, factor_id), sealed)


def _place(user_id: str, factor_id: str) -> Place:
    row = (str(UUID(user_id)), str(UUID(factor_id)))  # as PostgreSQL writes them
    return Place(PLATFORM, SECRET.table, SECRET.column, row)
