"""Sealed values that are read while their data key is being replaced."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from pydantic import SecretStr

from meterr.app.sealed_columns import open_sealed_columns
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, Rotated, rotate_data_keys
from meterr.core.crypto.data_keys import CACHED_S
from meterr.core.db import Database, Role
from meterr.core.http.outbound import AllowList, Guard
from meterr.identity.provider_credentials import open_credential, set_credential
from meterr.identity.sessions import SigningKeys
from meterr.query.protection import Address
from meterr.query.sources import SourceBook, store
from meterr.query.sources.kept import place_of
from support.sessions import RULES
from support.shop import ACME, KEYS, add_tenants, by_tenant

URL = "postgresql://reader:canary-1c@db.example:5432/shop?sslmode=verify-full"


class Between(SystemClock):
    """
    A clock that runs something when it is looked at, once.

    Who opens a value looks at it between reading the value and reading its data key.
    """

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.run: list[Callable[[], object]] = []

    def monotonic(self) -> float:
        while self.run:
            self.run.pop()()
        return super().monotonic() + self.ahead_s


def rotate_in_another_process(dsn: str) -> Rotated:
    async def whole() -> Rotated:
        async with Database.open(dsn, Role.APP) as db, open_sealed_columns(dsn) as columns:
            data_keys = DataKeys(KEYS, SystemClock())
            return await rotate_data_keys(db, data_keys, columns, lambda _: None, patience_s=0.2)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, whole()).result()


async def keep_source(db: Database, data_keys: DataKeys) -> None:
    address = Address.parse(URL)
    async with db.tenant_transaction(ACME) as connection:
        url = address.stored().encode()
        sealed = await data_keys.seal(connection, place_of(ACME, "shop"), url)
        assert await store.put_source(
            connection, ACME, "shop", sealed, address.place, by_tenant(), "a test"
        )


@pytest.mark.parametrize("what", ["credential", "signing key", "source"])
async def test_a_value_is_read_also_while_its_data_key_is_replaced(
    what: str, database_url: str, admin_dsn: str
) -> None:
    """Bar of key rotation: 0 failed requests; a data key stays while somebody holds its value."""
    add_tenants(admin_dsn)
    clock = Between()
    async with Database.open(database_url, Role.APP) as db:
        data_keys = DataKeys(KEYS, clock)

        async def read() -> object:
            if what == "credential":
                return await open_credential(db, data_keys, "openai")
            if what == "signing key":
                return (await SigningKeys(db, data_keys, SystemClock(), RULES).current()).seed()
            book = SourceBook(db, data_keys, Guard(AllowList()), bytes)
            return await book.address_of(ACME, "shop")

        await set_credential(db, data_keys, "openai", SecretStr("canary-2d"), created_by="a test")
        await keep_source(db, data_keys)
        before = await read()
        clock.ahead_s = CACHED_S + 1
        clock.run.append(lambda: rotate_in_another_process(database_url))
        assert before == await read()
        assert not clock.run

        clock.ahead_s *= 2
        assert 0 == rotate_in_another_process(database_url).unfinished
        assert before == await read()
    with psycopg.connect(admin_dsn) as connection:
        old = "select count(*) from meterr.data_key where version = 1 and wrapped is not null"
        assert (0,) == connection.execute(old).fetchone()
