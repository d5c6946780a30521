"""TOTP secrets under the platform's data key: rotated with everything else, and bound to it."""

import asyncio

import psycopg
import pytest

from meterr.app.sealed_columns import open_sealed_columns
from meterr.core.crypto import (
    KeyMissing,
    Progress,
    Rotated,
    key_uses,
    rewrap_data_keys,
    rotate_data_keys,
)
from meterr.core.policy import PLATFORM
from meterr.identity.factors import FactorProof, Vault, begin_totp, check_totp
from meterr.identity.people import Person
from support.people import HERE, PeopleHouse, code_at
from support.sealed import Vault as Process
from support.sealed import new_key


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def give(house: PeopleHouse, vault: Vault, person: Person, secret: bytes) -> FactorProof:
    """Give the code of now."""
    return await check_totp(
        house.db,
        vault,
        house.open_door,
        house.clock,
        user_id=person.user.user_id,
        code=code_at(secret, house.clock.now_ms // 1000),
        address=HERE,
    )


def quiet(progress: Progress) -> None:
    assert PLATFORM == progress.tenant_id


async def test_a_new_data_key_takes_the_secrets_with_it(house: PeopleHouse) -> None:
    """Issue 4, item 6: rotated online, the old key retires at count 0; every code still counts."""
    people = [await house.person(f"p{number}@example.com") for number in range(5)]
    secrets = [await house.enrol(person) for person in people]
    house.clock.advance(60)
    giving = [
        asyncio.create_task(give(house, house.vault, person, secret))
        for person, secret in zip(people, secrets, strict=True)
    ]
    async with open_sealed_columns(house.dsn) as columns:
        done = await rotate_data_keys(house.app, house.data_keys, columns, quiet)
        await asyncio.gather(*giving)
        uses = await key_uses(house.app, house.keys, columns)

    assert Rotated(tenants=1, values=5) == done
    assert [("1", "retired", 0), ("2", "current", 5)] == [
        (use.key_id, use.state, use.uses) for use in uses if use.tenant_id == PLATFORM
    ]
    house.clock.advance(60)
    for person, secret in zip(people, secrets, strict=True):
        await give(house, house.vault, person, secret)


async def test_after_a_new_key_encryption_key_the_old_one_opens_no_secret(
    house: PeopleHouse,
) -> None:
    """Issue 4, bar: old id unreadable after rotation, and 0 failed codes with the new one."""
    ada = await house.person("ada@example.com")
    secret = await house.enrol(ada)
    new = new_key("k2")
    rotating = Process(house.app, house.dsn).with_keys(new, [house.keys.current])
    assert 1 == (await rewrap_data_keys(house.app, rotating.data_keys)).keys

    house.clock.advance(60)
    await give(house, Vault(rotating.data_keys, house.app), ada, secret)
    house.data_keys.forget(PLATFORM)
    house.clock.advance(60)
    with pytest.raises(KeyMissing):
        await give(house, house.vault, ada, secret)


async def test_many_first_secrets_at_once_make_one_data_key(house: PeopleHouse) -> None:
    """The role of people makes no key itself, and waits for nobody who would."""
    people = [await house.person(f"p{number}@example.com") for number in range(4)]
    await asyncio.gather(
        *(begin_totp(house.db, house.ids, house.vault, person) for person in people)
    )
    with psycopg.connect(house.dsn) as connection:
        connection.execute("set role meterr_app")
        found = connection.execute("select version from meterr.list_data_keys()").fetchall()
    assert [(1,)] == found
