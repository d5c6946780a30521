"""Attacks with a challenge to make a first factor, in the hands of who merely has the password."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from meterr.core.policy import Role
from meterr.identity.factors import begin_totp, confirm_totp
from meterr.identity.passwords import change_password
from meterr.identity.sessions import ChallengeRefused, Grant, MustEnrol, SessionClient
from support.people import HERE, PASSWORD, SECRET, code_at
from support.sessions import LAPTOP, PHONE, SessionHouse

ADA = "ada@example.com"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SessionHouse]:
    async with SessionHouse.open(database_url) as opened:
        yield opened


async def must_enrol(house: SessionHouse, client: SessionClient) -> SecretStr:
    """Sign in with the password alone; return the challenge to make a factor."""
    owed = await house.sign_in.with_password(ADA, PASSWORD, client)
    assert isinstance(owed, MustEnrol)
    return owed.challenge


async def enrol(
    house: SessionHouse, challenge: SecretStr, secret: bytes, client: SessionClient
) -> Grant:
    """Make a first factor with the challenge, and begin the session."""
    person = (await house.sign_in.pending(challenge)).person
    await begin_totp(house.db, house.ids, house.vault, person, randomness=lambda n: secret[:n])
    proof = await confirm_totp(
        house.db,
        house.vault,
        house.open_door,
        house.clock,
        user_id=person.user.user_id,
        code=code_at(secret, house.clock.now_ms // 1000),
        address=client.address,
    )
    return await house.sign_in.finish(challenge, proof, client)


async def test_it_makes_no_factor_once_there_is_one(house: SessionHouse) -> None:
    """S2:77: the thief's factor would have taken the place of the owner's."""
    await house.person(ADA, Role.ADMIN)
    stolen, own = await must_enrol(house, PHONE), await must_enrol(house, LAPTOP)
    ada = await enrol(house, own, SECRET, LAPTOP)
    with pytest.raises(ChallengeRefused):
        await enrol(house, stolen, b"abcdefghijabcdefghij", PHONE)
    assert await house.counts(ada)


async def test_it_makes_none_after_the_password_was_changed(house: SessionHouse) -> None:
    """The owner noticed, and the thief's password is no more."""
    person = await house.person(ADA, Role.ADMIN)
    stolen = await must_enrol(house, PHONE)
    await change_password(
        house.db,
        house.hasher,
        house.throttle,
        user_id=person.user.user_id,
        current=PASSWORD,
        new=SecretStr("copper violin meadow anchor"),
        address=HERE,
    )
    with pytest.raises(ChallengeRefused):
        await house.sign_in.pending(stolen)
