"""A password that is changed while something else sets it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.identity.factors import FactorProof, check_totp, remove_totp
from meterr.identity.passwords import (
    Cost,
    Hasher,
    SignInRefused,
    change_password,
    check_password,
    take_up,
)
from meterr.identity.people import Person
from meterr.identity.people.errors import ClaimRefused
from meterr.identity.people.service import issue_reset
from support.people import CHEAP, HERE, OPERATOR, PASSWORD, PeopleHouse, code_at, outcomes

NEW = SecretStr("copper violin meadow anchor")
OTHER = SecretStr("velvet harbour pumpkin saddle")
SHORT = SecretStr("qp7 vzk 3fw")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


@pytest.fixture
async def ada(house: PeopleHouse) -> Person:
    return await house.person("ada@example.com")


async def change(
    house: PeopleHouse, person: Person, new: SecretStr, hasher: Hasher | None = None
) -> None:
    await change_password(
        house.db,
        hasher or house.hasher,
        house.open_door,
        user_id=person.user.user_id,
        current=PASSWORD,
        new=new,
        address=HERE,
    )


async def is_right(house: PeopleHouse, person: Person, password: SecretStr) -> bool:
    email = person.user.email
    try:
        await check_password(
            house.db, house.hasher, house.open_door, email=email, password=password, address=HERE
        )
    except SignInRefused:
        return False
    return True


def reset_by_another_process(dsn: str, person: Person) -> None:
    """Reset a password, to NEW; in a thread, with a loop and connections of its own."""

    async def whole() -> None:
        with Hasher.open(randomness=os.urandom, cost=CHEAP) as hasher:
            async with Database.open(dsn, Role.IDENTITY) as db, Database.open(dsn, Role.APP) as app:
                there = PeopleHouse(dsn, db, app, hasher)
                claim = await issue_reset(db, there.clock, by=OPERATOR, user_id=person.user.user_id)
                await there.take_up(claim, NEW)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, whole()).result()


def factor_removed_by_another_process(dsn: str, person: Person) -> None:
    async def whole() -> None:
        async with Database.open(dsn, Role.IDENTITY) as db:
            await remove_totp(db, person)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, whole()).result()


class Salts:
    """Randomness for hashes; what is put into ``before`` is done first, once."""

    def __init__(self) -> None:
        self.before: list[Callable[[], None]] = []

    def __call__(self, size: int) -> bytes:
        while self.before:
            self.before.pop()()
        return os.urandom(size)


async def test_a_change_that_was_under_way_does_not_undo_a_reset(
    house: PeopleHouse, ada: Person, database_url: str
) -> None:
    """P5: whoever holds the old password cannot write over the one that a reset has just set."""
    salts = Salts()
    with Hasher.open(randomness=salts, cost=CHEAP) as hasher:
        # The salt of the new hash is drawn after the old password was found right.
        salts.before.append(lambda: reset_by_another_process(database_url, ada))
        with pytest.raises(SignInRefused) as refused:
            await change(house, ada, OTHER, hasher)

    assert "changed_meanwhile" == refused.value.reason
    assert [True, False] == [await is_right(house, ada, each) for each in (NEW, OTHER)]


async def test_of_two_changes_at_once_one_counts_and_the_other_is_told(
    house: PeopleHouse, ada: Person
) -> None:
    """Each gave the right password; whoever is told that theirs was written can sign in with it."""
    found = await outcomes(change(house, ada, NEW), change(house, ada, OTHER))

    written = [each is None for each in found]
    assert 1 == written.count(True)
    assert all(each is None or isinstance(each, SignInRefused) for each in found)
    assert written == [await is_right(house, ada, each) for each in (NEW, OTHER)]


async def test_a_change_goes_through_when_the_sign_in_for_it_hashed_anew(
    house: PeopleHouse, ada: Person
) -> None:
    """Stronger parameters since: the old password is hashed again first, and that is no change."""
    with Hasher.open(randomness=os.urandom, cost=Cost(memory_kib=16, passes=1)) as stronger:
        await change(house, ada, NEW, stronger)
    assert await is_right(house, ada, NEW)


async def test_a_short_password_does_not_take_the_place_of_a_factor_that_went_meanwhile(
    house: PeopleHouse, ada: Person, database_url: str
) -> None:
    """NIST 800-63B-4: 15 characters without a second factor, also when it ends meanwhile."""
    await house.enrol(ada)
    salts = Salts()
    with Hasher.open(randomness=salts, cost=CHEAP) as hasher:
        salts.before.append(lambda: factor_removed_by_another_process(database_url, ada))
        with pytest.raises(Invalid, match="15 characters"):
            await change(house, ada, SHORT, hasher)

    assert [True, False] == [await is_right(house, ada, each) for each in (PASSWORD, SHORT)]


async def test_a_reset_to_a_short_password_needs_its_factor_to_the_end(
    house: PeopleHouse, ada: Person, database_url: str
) -> None:
    """NIST 800-63B-4: the factor that confirmed a reset is the one that a short password needs."""
    secret = await house.enrol(ada)
    claim = await issue_reset(house.db, house.clock, by=OPERATOR, user_id=ada.user.user_id)

    async def prove(user_id: str) -> FactorProof:
        code = code_at(secret, house.clock.now_ms // 1000)
        return await check_totp(
            house.db, house.vault, house.open_door, house.clock,
            user_id=user_id, code=code, address=HERE,
        )  # fmt: skip

    salts = Salts()
    with Hasher.open(randomness=salts, cost=CHEAP) as hasher:
        salts.before.append(lambda: factor_removed_by_another_process(database_url, ada))
        with pytest.raises(ClaimRefused):
            await take_up(
                house.db, hasher, house.open_door, house.clock,
                token=claim.token, password=SHORT, address=HERE, prove=prove,
            )  # fmt: skip

    assert [True, False] == [await is_right(house, ada, each) for each in (PASSWORD, SHORT)]
    await house.take_up(claim, NEW)  # the claim is still good
