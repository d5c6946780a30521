"""How many challenges and passkeys there can be, whoever asks and however many at once."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from meterr.core.db import Connection
from meterr.core.errors import Invalid
from meterr.identity.factors import PasskeyProof, PasskeyRefused, challenges
from meterr.identity.factors.passkey_service import PASSKEYS_MAX
from meterr.identity.people import Person
from support.authenticator import Authenticator
from support.people import HERE, ORIGIN, PeopleHouse, outcomes

BOTS = "2001:db8:66"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def passkey_of(house: PeopleHouse, person: Person) -> Authenticator:
    device = Authenticator(ORIGIN)
    options = await house.passkeys.begin_registration(person)
    await house.passkeys.finish_registration(person, "mine", device.create(options))
    return device


async def count(house: PeopleHouse) -> int:
    async with house.db.transaction() as connection:
        cursor = await connection.execute(
            "select count(*) from meterr.passkey_ceremony where used_at is null"
        )
        (row,) = await cursor.fetchall()
    return int(str(row[0]))


async def ask(house: PeopleHouse, *addresses: str) -> None:
    """Ask for a challenge from each address, past the throttle, each a moment after the other."""
    async with house.db.transaction() as connection:
        for number, address in enumerate(addresses):
            await asked(connection, house, address, number)


async def asked(connection: Connection, house: PeopleHouse, address: str, number: int) -> None:
    house.clock.advance(0.001)
    await challenges.remember(
        connection,
        f"{address} {number}".encode(),
        challenges.to_sign_in(address, None),
        house.clock.unix_ms(),
    )


async def answers(house: PeopleHouse, device: Authenticator, options: str) -> bool:
    try:
        found = await house.passkeys.finish_sign_in(HERE, device.get(options))
    except PasskeyRefused:
        return False
    return isinstance(found, PasskeyProof)


async def test_a_network_that_asks_and_asks_holds_no_more_than_its_share(
    house: PeopleHouse,
) -> None:
    """Its own oldest give way; nobody else's does."""
    device = await passkey_of(house, await house.person())
    honest = await house.passkeys.begin_sign_in(HERE)
    await ask(house, *[f"{BOTS}:1::{n:x}" for n in range(150)])
    assert challenges.NETWORK_MAX + 1 == await count(house)
    assert await answers(house, device, honest)


async def test_a_48_that_asks_from_every_64_holds_no_more_than_its_share(
    house: PeopleHouse,
) -> None:
    """65,536 networks for nothing: they share what one site gets."""
    device = await passkey_of(house, await house.person())
    honest = await house.passkeys.begin_sign_in(HERE)
    await ask(house, *[f"{BOTS}:{n:x}::1" for n in range(450)])
    assert challenges.SITE_MAX + 1 == await count(house)
    assert await answers(house, device, honest)


async def test_a_neighbour_in_the_same_48_keeps_a_challenge_beside_a_crowd(
    house: PeopleHouse,
) -> None:
    """Some providers have thousands of customers in one: those with most give way first."""
    device = await passkey_of(house, await house.person())
    honest = await house.passkeys.begin_sign_in(f"{BOTS}:ffff::1")
    await ask(house, *[f"{BOTS}:{n % 8:x}::{n:x}" for n in range(700)])
    assert challenges.SITE_MAX >= await count(house)
    assert await answers(house, device, honest)


async def test_everybody_together_fills_no_more_than_there_is_room_for(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """From any number of sites: those with most give way first, and there is always room."""
    device = await passkey_of(house, await house.person())
    honest = await house.passkeys.begin_sign_in(HERE)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            """insert into meterr.passkey_ceremony (digest, purpose, network, site, expires_at)
               select sha256(n::text::bytea), 'sign_in', 'net ' || n, 'site ' || (n %% 50),
                      to_timestamp(%s / 1000.0) + interval '5 minutes'
                 from generate_series(1, %s) n""",
            [house.clock.now_ms, challenges.TOTAL_MAX - 2],
        )
    await ask(house, f"{BOTS}::1")
    assert challenges.TOTAL_MAX == await count(house)
    await ask(house, f"{BOTS}::2")
    assert challenges.TOTAL_KEPT + 1 == await count(house)
    assert await answers(house, device, honest)
    assert await answers(house, device, await house.passkeys.begin_sign_in(HERE))


async def test_one_account_holds_so_many_however_many_ask_for_it(house: PeopleHouse) -> None:
    """Whoever has the password asks for the second factor, from everywhere."""
    ada = await house.person()
    device = await passkey_of(house, ada)
    user_id = ada.user.user_id
    options = [
        await house.passkeys.begin_sign_in(f"2001:db8:{n:x}::1", user_id)
        for n in range(challenges.ACCOUNT_MAX + 10)
    ]
    assert challenges.ACCOUNT_MAX == await count(house)
    response = device.get(options[-1])
    assert await house.passkeys.finish_sign_in(HERE, response, user_id)


async def test_what_is_over_is_swept_by_whoever_comes_next(house: PeopleHouse) -> None:
    """Five minutes, not a day, and answered ones at once."""
    await ask(house, *[f"{BOTS}:{n:x}::1" for n in range(50)])
    house.clock.advance(301)
    device = await passkey_of(house, await house.person())
    assert 0 == await count(house)
    assert await answers(house, device, await house.passkeys.begin_sign_in(HERE))
    assert 0 == await count(house)


async def test_many_at_once_are_counted_one_by_one(house: PeopleHouse) -> None:
    """Exact in any number of processes: they take turns, and nobody waits in a circle."""
    found = await outcomes(
        *(house.passkeys.begin_sign_in(f"{BOTS}:{n:x}::1") for n in range(60)),
    )
    assert [] == [each for each in found if isinstance(each, BaseException)]
    assert 60 == await count(house)


async def test_of_many_passkeys_finished_at_once_so_many_are_stored_as_may_be(
    house: PeopleHouse,
) -> None:
    """The limit is looked at when one begins, and decided when it ends."""
    ada = await house.person()
    for _ in range(PASSKEYS_MAX - 2):
        await passkey_of(house, ada)
    responses = [
        Authenticator(ORIGIN).create(await house.passkeys.begin_registration(ada)) for _ in range(6)
    ]

    found = await outcomes(
        *(house.passkeys.finish_registration(ada, "race", each) for each in responses)
    )

    assert 4 == sum(isinstance(each, Invalid) for each in found)
    assert PASSKEYS_MAX == len(await house.passkeys.list(ada.user.user_id))
    with pytest.raises(Invalid):
        await house.passkeys.begin_registration(ada)
