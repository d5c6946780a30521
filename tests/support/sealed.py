"""The driver of the encryption tests: a database, its keys, and sealed rows in bulk."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from pydantic import SecretStr

from meterr.app.sealed_columns import open_sealed_columns
from meterr.core.clock import SystemClock
from meterr.core.crypto import (
    DataKeys,
    KeyEncryptionKeys,
    Place,
    Progress,
    Rotated,
    key_uses,
    mint,
    rotate_data_keys,
)
from meterr.core.crypto.key_text import KeyEncryptionKey
from meterr.core.db import Database

INSERT = """
    insert into meterr.provider_credential (tenant_id, upstream, secret, created_by)
    values (%s, %s, %s, 'test')
"""
READ = "select secret from meterr.provider_credential where tenant_id = %s and upstream = %s"
UPDATE = "update meterr.provider_credential set secret = %s where tenant_id = %s and upstream = %s"


def new_key(kid: str) -> KeyEncryptionKey:
    return mint(kid, os.urandom)


def new_tenant() -> str:
    return str(uuid.uuid4())


@dataclass
class Vault:
    """Sealed rows of a database, seen through the keys of one process."""

    db: Database
    dsn: str
    keys: KeyEncryptionKeys = field(default_factory=lambda: KeyEncryptionKeys(new_key("k1")))
    data_keys: DataKeys = field(init=False)

    def __post_init__(self) -> None:
        self.data_keys = DataKeys(self.keys, SystemClock())

    def with_keys(
        self, current: KeyEncryptionKey, previous: Sequence[KeyEncryptionKey] = ()
    ) -> "Vault":
        """Return another process on the same database."""
        return Vault(self.db, self.dsn, KeyEncryptionKeys(current, previous))

    async def put(self, tenant_id: str, row: str, secret: bytes) -> None:
        async with self.db.tenant_transaction(tenant_id) as connection:
            sealed = await self.data_keys.seal(connection, place(tenant_id, row), secret)
            await connection.execute(INSERT, (tenant_id, row, sealed))

    async def change(self, tenant_id: str, row: str, secret: bytes) -> None:
        async with self.db.tenant_transaction(tenant_id) as connection:
            sealed = await self.data_keys.seal(connection, place(tenant_id, row), secret)
            await connection.execute(UPDATE, (sealed, tenant_id, row))

    async def get(self, tenant_id: str, row: str) -> bytes:
        async with self.db.tenant_transaction(tenant_id) as connection:
            cursor = await connection.execute(READ, (tenant_id, row))
            found = await cursor.fetchone()
            assert found is not None
            sealed = bytes(found[0])  # type: ignore[call-overload]  # bytea comes as bytes
            return await self.data_keys.open(connection, place(tenant_id, row), sealed)

    async def rotate(self) -> Rotated:
        """Give every tenant a new data key, in every column there is."""
        async with open_sealed_columns(self.dsn) as columns:
            return await rotate_data_keys(self.db, self.data_keys, columns, _quiet)

    async def counts(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Return (tenant or "", key id) to (state, uses) for every key."""
        async with open_sealed_columns(self.dsn) as columns:
            uses = await key_uses(self.db, self.keys, columns)
        return {(use.tenant_id, use.key_id): (use.state, use.uses) for use in uses}


def _quiet(progress: Progress) -> None:
    assert 0 < progress.done <= progress.total


def place(tenant_id: str, row: str) -> Place:
    return Place(tenant_id, "provider_credential", "secret", (row,))


def secrets_of(keys: KeyEncryptionKeys) -> SecretStr:
    """Return the keys as settings have them."""
    return SecretStr(",".join(key.text() for key in keys))


def raw(admin_dsn: str, tenant_id: str) -> dict[str, bytes]:
    """Return the sealed values of a tenant as the table has them."""
    with psycopg.connect(admin_dsn) as connection:
        rows = connection.execute(
            "select upstream, secret from meterr.provider_credential where tenant_id = %s",
            [tenant_id],
        ).fetchall()
    return {name: bytes(secret) for name, secret in rows}
