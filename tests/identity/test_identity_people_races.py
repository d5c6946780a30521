"""Invitations and resets that are made at once: one of a kind is good."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from pydantic import SecretStr

from meterr.identity.people import NewClaim, Person
from meterr.identity.people.errors import ClaimRefused
from meterr.identity.people.membership import remove_member
from meterr.identity.people.service import issue_reset
from support.people import OPERATOR, PeopleHouse, outcomes

ROUNDS = 5
NEW = SecretStr("copper violin meadow anchor")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


@pytest.fixture
async def ada(house: PeopleHouse) -> Person:
    return await house.person("ada@example.com", tenant_id=await house.tenant("elsewhere"))


def open_claims(admin_dsn: str) -> int:
    with psycopg.connect(admin_dsn) as connection:
        row = connection.execute(
            "select count(*) from meterr.user_claim where used_at is null"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def reset(house: PeopleHouse, person: Person) -> NewClaim:
    return await issue_reset(house.db, house.clock, by=OPERATOR, user_id=person.user.user_id)


async def test_of_resets_made_at_once_one_is_good(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """A new reset ends those before it, also when two administrators press at once."""
    for _ in range(ROUNDS):
        made = await asyncio.gather(*(reset(house, ada) for _ in range(4)))
        assert 1 == open_claims(admin_dsn)
        found = await outcomes(*(house.take_up(each, NEW) for each in made))
        assert 1 == len([each for each in found if not isinstance(each, ClaimRefused)])


async def test_of_invitations_made_at_once_one_is_good(house: PeopleHouse, admin_dsn: str) -> None:
    """The same for a new account, which is made once."""
    for n in range(ROUNDS):
        await asyncio.gather(*(house.invite(f"new{n}@example.com") for _ in range(4)))
        assert n + 1 == open_claims(admin_dsn)


async def test_the_database_has_no_two_open_claims_of_one_kind(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """Whoever writes them: a second reset is refused while one is open."""
    await reset(house, ada)
    with (
        psycopg.connect(admin_dsn) as hand,
        pytest.raises(psycopg.errors.UniqueViolation, match="user_claim_one_open"),
    ):
        hand.execute(
            """insert into meterr.user_claim (digest, user_id, expires_at)
               values (sha256('another'), %s, now() + interval '1 day')""",
            [ada.user.user_id],
        )


async def test_who_was_removed_does_not_come_back_by_the_other_of_two_invitations(
    house: PeopleHouse, ada: Person
) -> None:
    """P5: a removed member is no member, whatever link was made while two invited at once."""
    for _ in range(ROUNDS):
        made = await asyncio.gather(*(house.invite(ada.user.email) for _ in range(4)))
        joined = await outcomes(*(house.take_up(each) for each in made))
        assert 1 == len([each for each in joined if not isinstance(each, ClaimRefused)])
        await remove(house, ada)
        for claim in made:
            with pytest.raises(ClaimRefused):
                await house.take_up(claim)


async def test_the_end_of_a_membership_ends_invitations_to_it(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """P5: also of somebody who became a member by another way than the link."""
    claim = await house.invite(ada.user.email)
    with psycopg.connect(admin_dsn) as hand:
        hand.execute(
            "insert into meterr.membership (tenant_id, user_id, role) values (%s, %s, 'user')",
            [house.tenant_id, ada.user.user_id],
        )

    await remove(house, ada)

    with pytest.raises(ClaimRefused):
        await house.take_up(claim)


async def remove(house: PeopleHouse, person: Person) -> None:
    await remove_member(
        house.db,
        house.clock,
        by=OPERATOR,
        tenant_id=house.tenant_id,
        user_id=person.user.user_id,
    )
