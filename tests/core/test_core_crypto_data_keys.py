"""Data keys in the database: made once, kept few, gone when they are gone."""

import asyncio
import os
import pickle
from collections.abc import AsyncIterator

import psycopg
import pytest

from meterr.app.sealed_columns import SEALED_COLUMNS
from meterr.core.clock import SystemClock
from meterr.core.crypto import (
    DataKeys,
    KeyEncryptionKeys,
    KeyMissing,
    KeyRefused,
    Unreadable,
)
from meterr.core.crypto.data_keys import CACHED_S
from meterr.core.crypto.key_text import mint
from meterr.core.db import Database, Role
from support.sealed import Vault, new_key, new_tenant, place, raw

CANARY = b"sk-canary-9f2d1b7c4e"


class MovedClock(SystemClock):
    """The machine's clock, ahead by as much as a test says."""

    ahead_s = 0.0

    def monotonic(self) -> float:  # type: ignore[override]  # a plain function in the original
        return SystemClock.monotonic() + self.ahead_s


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP, pool_size_max=8) as database:
        yield database


@pytest.fixture
def vault(db: Database, database_url: str) -> Vault:
    return Vault(db, database_url)


async def test_each_tenant_has_a_data_key_of_its_own(vault: Vault, admin_dsn: str) -> None:
    """S1:222: one tenant's key opens nothing of another's."""
    one, other = new_tenant(), new_tenant()
    await vault.put(one, "openai", CANARY)
    await vault.put(other, "openai", CANARY)

    assert CANARY == await vault.get(one, "openai") == await vault.get(other, "openai")
    moved = raw(admin_dsn, other)["openai"]
    async with vault.db.tenant_transaction(one) as connection:
        with pytest.raises(Unreadable):
            await vault.data_keys.open(connection, place(one, "openai"), moved)
    assert ("current", 1) == (await vault.counts())[one, "1"]
    assert ("current", 2) == (await vault.counts())["", "k1"]


async def test_many_first_values_at_once_make_one_data_key(vault: Vault) -> None:
    """Two first keys would leave one value unreadable."""
    tenant = new_tenant()
    processes = [vault.with_keys(vault.keys.current) for _ in range(4)]

    await asyncio.gather(*(p.put(tenant, f"row {n}", CANARY) for n, p in enumerate(processes)))

    assert {CANARY} == {await vault.get(tenant, f"row {n}") for n in range(4)}
    assert 1 == sum(whose == tenant for whose, _ in await vault.counts())


async def test_a_data_key_whose_making_was_undone_is_not_remembered(vault: Vault) -> None:
    """What is sealed later is sealed under what is in the database."""
    tenant = new_tenant()

    async def undone() -> None:
        async with vault.db.tenant_transaction(tenant) as connection:
            sealed = await vault.data_keys.seal(connection, place(tenant, "a"), CANARY)
            await vault.data_keys.open(connection, place(tenant, "a"), sealed)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()

    await vault.with_keys(vault.keys.current).put(tenant, "b", CANARY)
    assert CANARY == await vault.get(tenant, "b")
    await vault.put(tenant, "c", CANARY)
    assert CANARY == await vault.with_keys(vault.keys.current).get(tenant, "c")


async def test_unwrapped_keys_in_memory_have_a_bound(db: Database) -> None:
    """Memory grows with the bound and not with the tenants."""
    data_keys = DataKeys(KeyEncryptionKeys(new_key("k1")), SystemClock(), cached_max=3)
    tenants = [new_tenant() for _ in range(6)]
    for tenant in tenants:
        for _ in range(2):  # the first one is made, the second one is read
            async with db.tenant_transaction(tenant) as connection:
                await data_keys.seal(connection, place(tenant, "a"), CANARY)

    assert "<DataKeys 3 unwrapped>" == repr(data_keys)
    with pytest.raises(TypeError, match="neither pickled"):
        pickle.dumps(data_keys)


async def test_an_unwrapped_key_stays_in_memory_for_a_minute(
    vault: Vault, db: Database, admin_dsn: str
) -> None:
    """What is gone from the database is gone from every process soon, whoever took it away."""
    clock = MovedClock()
    tenant = new_tenant()
    elsewhere = DataKeys(vault.keys, clock)
    await vault.put(tenant, "openai", CANARY)
    sealed = raw(admin_dsn, tenant)["openai"]
    async with db.tenant_transaction(tenant) as connection:
        assert CANARY == await elsewhere.open(connection, place(tenant, "openai"), sealed)
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            """update meterr.data_key
                  set live_version = null, kek_id = null, wrapped = null, retired_at = now()
                where tenant_id = %s""",
            [tenant],
        )
    clock.ahead_s = CACHED_S
    async with db.tenant_transaction(tenant) as connection:
        with pytest.raises(Unreadable):
            await elsewhere.open(connection, place(tenant, "openai"), sealed)


async def test_a_missing_key_is_named_and_a_wrong_one_is_refused(vault: Vault) -> None:
    """S1:230: there, after the swap old data is unreadable and nothing says why."""
    tenant = new_tenant()
    await vault.put(tenant, "openai", CANARY)

    with pytest.raises(KeyMissing, match="'k1'"):
        await vault.with_keys(new_key("k2")).get(tenant, "openai")
    impostor = vault.with_keys(mint("k1", os.urandom))
    with pytest.raises(KeyRefused, match="not the one that this database knows"):
        await impostor.put(new_tenant(), "openai", CANARY)
    with pytest.raises(Unreadable):
        await impostor.get(tenant, "openai")
    assert ("wrong", 1) == (await impostor.counts())["", "k1"]


async def test_the_database_holds_no_key_and_no_plaintext(vault: Vault, admin_dsn: str) -> None:
    """P6: a thief of the database has neither: neither the value nor a key."""
    tenant = new_tenant()
    await vault.put(tenant, "openai", CANARY)
    material = vault.keys.current.text().rpartition(".")[2]
    with psycopg.connect(admin_dsn) as connection:
        tables = ("key_encryption_key", "data_key", "provider_credential")
        rows = [connection.execute(f"select * from meterr.{table}").fetchall() for table in tables]
    everything = repr(rows).encode() + b"".join(
        value for table in rows for row in table for value in row if isinstance(value, bytes)
    )

    assert CANARY not in everything
    assert material.encode() not in everything


async def test_plaintext_cannot_be_stored_by_mistake(admin_dsn: str) -> None:
    """The column takes sealed values alone, whoever writes."""
    with psycopg.connect(admin_dsn) as connection:
        for value in (CANARY, CANARY * 3, b"\x01" + bytes(20)):
            with pytest.raises(psycopg.Error), connection.transaction():
                connection.execute(
                    """insert into meterr.provider_credential
                         (tenant_id, upstream, secret, created_by) values (%s, 'a', %s, 'b')""",
                    [new_tenant(), value],
                )


async def test_every_registered_column_is_guarded_by_the_database(admin_dsn: str) -> None:
    """A column without the reference could be left behind by a key that retires."""
    with psycopg.connect(admin_dsn) as connection:
        guarded = connection.execute(
            """select c.conrelid::regclass::text, pg_get_constraintdef(c.oid) from pg_constraint c
                where c.contype = 'f' and c.confrelid = 'meterr.data_key'::regclass"""
        ).fetchall()
        types = connection.execute(
            """select table_name, column_name, data_type from information_schema.columns
                where table_schema = 'meterr'"""
        ).fetchall()
    parent = "meterr.data_key(tenant_id, live_version)"
    expected = {
        (
            f"meterr.{each.table}",
            f"FOREIGN KEY ({each.tenant_column}, {each.version_column}) REFERENCES {parent}",
        )
        for each in SEALED_COLUMNS
    }

    assert expected == set(guarded)
    kinds = {(table, column): kind for table, column, kind in types}
    for each in SEALED_COLUMNS:
        assert {kinds[each.table, key] for key in each.keys} <= {
            "uuid",
            "text",
            "integer",
            "bigint",
        }
