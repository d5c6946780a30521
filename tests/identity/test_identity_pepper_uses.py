"""What needs a pepper: keys, codes, and people who are signed in; none is forgotten."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.identity import Keyring, PepperRefused
from meterr.identity.peppers import list_peppers, require_peppers
from meterr.identity.rotation import rotate_all
from meterr.identity.sessions import SessionRefused, Sessions, SignIn
from meterr.identity.sessions.administration import end_of_everybody
from support.identity import OPERATOR, House
from support.sessions import LAPTOP, SessionHouse

OLD, NEW = SecretStr(secrets.token_hex(32)), SecretStr(secrets.token_hex(32))
BEFORE = Keyring.from_secrets(OLD)
DURING = Keyring.from_secrets(NEW, OLD)
AFTER = Keyring.from_secrets(NEW)


@pytest.fixture
async def people(database_url: str):
    async with SessionHouse.open(database_url) as house:
        await house.person()
        yield house


def under(house: SessionHouse, keyring: Keyring) -> tuple[SignIn, Sessions]:
    """Return the services of a process with these peppers."""
    issuer = replace(house.issuer, macs=keyring.macs, pepper_id=keyring.current.id)
    return replace(house.sign_in, issuer=issuer), Sessions(issuer)


async def sessions_under(house: SessionHouse, keyring: Keyring) -> dict[str, int]:
    return {use.place: use.sessions for use in await list_peppers(house.app, keyring)}


async def test_a_pepper_that_somebody_is_signed_in_by_counts_until_they_go_on(
    people: SessionHouse,
) -> None:
    """Taking it away at 0 keys signed people out: the refresh token was tagged with it."""
    house = people
    sign_in, _ = under(house, BEFORE)
    house.sign_in = sign_in
    grant = await house.begin()
    other = await house.begin()
    assert {"current": 0, "previous": 2} == await sessions_under(house, DURING)
    with pytest.raises(PepperRefused, match=f"{BEFORE.current.id}: 2 sessions"):
        await require_peppers(house.app, AFTER)

    _, sessions = under(house, DURING)
    moved = await sessions.refresh(grant.refresh, LAPTOP)
    assert {"current": 1, "previous": 1} == await sessions_under(house, DURING)
    await sessions.sign_out_with(other.refresh)
    assert {"current": 1, "previous": 0} == await sessions_under(house, DURING)

    await require_peppers(house.app, AFTER)
    _, alone = under(house, AFTER)
    assert moved.grant is not None
    assert (await alone.refresh(moved.grant.refresh, LAPTOP)).grant is not None


async def test_without_the_old_pepper_its_sessions_can_be_ended(people: SessionHouse) -> None:
    """A pepper that leaked goes at once: the way out that the refusal names is one."""
    house = people
    house.sign_in, sessions = under(house, BEFORE)
    grant = await house.begin()
    assert 1 == await end_of_everybody(house.db, house.clock)
    await require_peppers(house.app, AFTER)
    with pytest.raises(SessionRefused):
        await sessions.refresh(grant.refresh, LAPTOP)


async def test_a_session_whose_time_is_over_needs_no_pepper(people: SessionHouse) -> None:
    """Counts fall by themselves."""
    house = people
    house.sign_in, _ = under(house, BEFORE)
    # The database's own clock says what is over.
    house.clock.now_ms = SystemClock().unix_ms() - 400 * 86_400_000
    await house.begin()
    assert {"current": 0} == await sessions_under(house, BEFORE)


async def test_a_code_that_may_be_handed_in_needs_its_pepper(database_url: str) -> None:
    """Keys at 0 are not enough: who got a code yesterday collects tomorrow."""
    async with House.open(database_url) as house:
        house.keyring = BEFORE
        await house.key()
        done = await rotate_all(house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR)
        (code,) = await house.codes(done.emergency_id, valid=timedelta(days=7))
        with pytest.raises(PepperRefused, match="1 codes"):
            await require_peppers(house.db, AFTER)
        house.keyring = DURING
        await house.collect(code.code.reveal())
        await require_peppers(house.db, AFTER)
