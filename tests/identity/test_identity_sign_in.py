"""Signing in with a password: one answer and one amount of work, whatever is wrong."""

import os

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.errors import Invalid
from meterr.core.policy import Role
from meterr.identity.factors import find_enrolled
from meterr.identity.passwords import (
    Cost,
    Hasher,
    PasswordProof,
    SignInRefused,
    change_password,
    check_password,
)
from meterr.identity.people import disable_user, find_person
from meterr.identity.throttle import TooManyAttempts
from support.people import CHEAP, HERE, OPERATOR, PASSWORD, WRONG, PeopleHouse, outcomes

NEW = SecretStr("copper violin meadow anchor")


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def sign_in(
    house: PeopleHouse,
    email: str = "ada@example.com",
    password: SecretStr = PASSWORD,
    *,
    address: str = HERE,
    hasher: Hasher | None = None,
) -> PasswordProof:
    return await check_password(
        house.db,
        hasher or house.hasher,
        house.throttle,
        email=email,
        password=password,
        address=address,
    )


async def test_the_right_password_proves_who_it_is(house: PeopleHouse) -> None:
    """The address in any spelling; what the person is comes with it."""
    person = await house.person("ada@example.com", Role.ADMIN)
    proof = await sign_in(house, " Ada@EXAMPLE.com ")
    assert person == proof.person
    assert {house.tenant_id: Role.ADMIN} == proof.person.roles


async def test_whatever_is_wrong_the_answer_and_the_work_are_the_same(house: PeopleHouse) -> None:
    """Section 5: unknown user and wrong password: same text, same number of verifications."""
    await house.person("ada@example.com")
    off = await house.person("off@example.com")
    await disable_user(house.db, house.clock, by=OPERATOR, user_id=off.user.user_id)
    await house.invite("invited@example.com")
    cases = {
        "wrong_password": ("ada@example.com", WRONG),
        "unknown_account": ("nobody@example.com", WRONG),
        "account_disabled": ("off@example.com", PASSWORD),
        "no_password": ("invited@example.com", WRONG),
    }
    told, work, reasons = set(), set(), []
    for n, (email, password) in enumerate(cases.values()):
        before = house.hasher.verifications
        with pytest.raises(SignInRefused) as refused:
            await sign_in(house, email, password, address=f"203.0.113.{n}")
        told.add((refused.value.code, refused.value.status, refused.value.detail))
        work.add(house.hasher.verifications - before)
        reasons.append(refused.value.reason)

    assert {("sign-in-refused", 401, "E-mail address or password is not right.")} == told
    assert {1} == work
    assert list(cases) == reasons


@pytest.mark.parametrize("email", ["", "no address", "\0", "\ud800", "a" * 5000, "' or 1=1 --"])
async def test_what_is_no_address_is_nobodys(house: PeopleHouse, email: str) -> None:
    """The same answer and work: people type passwords and worse where an address belongs."""
    with pytest.raises(SignInRefused):
        await sign_in(house, email)
    assert 1 == house.hasher.verifications


@pytest.mark.parametrize("text", ["", "x" * 1025, "é" * 600, "\ud800"])
async def test_what_is_no_password_is_a_wrong_one(house: PeopleHouse, text: str) -> None:
    """Same answer, same work; nothing is cut to fit."""
    await house.person("ada@example.com")
    before = house.hasher.verifications
    with pytest.raises(SignInRefused):
        await sign_in(house, password=SecretStr(text))
    assert 1 == house.hasher.verifications - before


async def test_a_right_password_is_hashed_again_under_new_parameters(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """S2:76, row 36: rehash on login; a wrong password changes nothing."""
    await house.person("ada@example.com")
    with Hasher.open(randomness=os.urandom, cost=Cost(memory_kib=16, passes=1)) as stronger:
        with pytest.raises(SignInRefused):
            await sign_in(house, password=WRONG, hasher=stronger)
        assert "m=8," in _stored(admin_dsn)
        await sign_in(house, hasher=stronger)
        assert "m=16," in _stored(admin_dsn)
        assert await sign_in(house, hasher=stronger)


async def test_changing_a_password_needs_the_old_one_and_ends_it(house: PeopleHouse) -> None:
    """The change is told to every process: sessions from before are over."""
    person = await house.person("ada@example.com")
    ask = {"user_id": person.user.user_id, "address": HERE}
    services = (house.db, house.hasher, house.throttle)

    with pytest.raises(SignInRefused):
        await change_password(*services, current=WRONG, new=NEW, **ask)
    for refused in (PASSWORD, SecretStr("too short"), SecretStr("ada@example.com ada")):
        with pytest.raises(Invalid):
            await change_password(*services, current=PASSWORD, new=refused, **ask)
    await change_password(*services, current=PASSWORD, new=NEW, **ask)

    with pytest.raises(SignInRefused):
        await sign_in(house)
    assert await sign_in(house, password=NEW)
    assert (await find_person(house.db, person.user.user_id)).user.version > person.user.version


async def test_nobody_changes_the_password_of_an_account_that_is_not_there(
    house: PeopleHouse,
) -> None:
    """The same refusal."""
    with pytest.raises(SignInRefused):
        await change_password(
            house.db,
            house.hasher,
            house.throttle,
            user_id="0199ffff-0000-7000-8000-0000000000ff",
            current=PASSWORD,
            new=NEW,
            address=HERE,
        )


async def test_a_short_password_needs_a_factor_beside_it(house: PeopleHouse) -> None:
    """800-63B-4: 8 characters with MFA, and the account is marked so that the factor stays."""
    person = await house.person("ada@example.com")
    short = SecretStr("kxqzvbnw")
    ask = {"user_id": person.user.user_id, "address": HERE}
    services = (house.db, house.hasher, house.throttle)
    with pytest.raises(Invalid):
        await change_password(*services, current=PASSWORD, new=short, **ask)

    await house.enrol(person)
    await change_password(*services, current=PASSWORD, new=short, **ask)

    assert (await find_enrolled(house.db, person.user.user_id)).short_password
    assert await sign_in(house, password=short)


async def test_a_crowd_with_wrong_passwords_verifies_only_what_the_throttle_lets_in(
    house: PeopleHouse,
) -> None:
    """S1:468, row 67: from the fifth failure on the call throws there; here it answers 429."""
    await house.person("ada@example.com")
    before = house.hasher.verifications

    found = await outcomes(*(sign_in(house, password=WRONG) for _ in range(50)))

    assert 5 == sum(isinstance(each, SignInRefused) for each in found)
    assert 45 == sum(isinstance(each, TooManyAttempts) for each in found)
    assert 5 == house.hasher.verifications - before


async def test_one_account_at_an_address_does_not_pause_another(house: PeopleHouse) -> None:
    """Per account and address: Bob signs in from where Ada's password was tried five times."""
    await house.person("ada@example.com")
    await house.person("bob@example.com")
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await sign_in(house, password=WRONG)
    with pytest.raises(TooManyAttempts):
        await sign_in(house, "ADA@example.com")
    assert await sign_in(house, "bob@example.com")
    assert await sign_in(house, "ada@example.com", address="198.51.100.1")


class _Interrupted(Hasher):
    """A hasher beside which something happens while it looks at a password."""

    meanwhile = None

    async def verify(self, stored: str | None, password: bytes, whose: str = "") -> bool:
        right = await super().verify(stored, password, whose)
        happening, self.meanwhile = self.meanwhile, None
        if happening is not None:
            await happening
        return right


async def test_a_password_that_changes_while_it_is_looked_at_counts_no_more(
    house: PeopleHouse,
) -> None:
    """P5: a sign-in that waited in the queue must not outlive the change it missed."""
    person = await house.person("ada@example.com")
    ask = {"user_id": person.user.user_id, "address": "198.51.100.1"}
    with _Interrupted.open(randomness=os.urandom, cost=CHEAP) as slow:
        slow.meanwhile = change_password(
            house.db, house.hasher, house.throttle, current=PASSWORD, new=NEW, **ask
        )
        with pytest.raises(SignInRefused) as refused:
            await sign_in(house, hasher=slow)
        assert "changed_meanwhile" == refused.value.reason
        slow.meanwhile = disable_user(
            house.db, house.clock, by=OPERATOR, user_id=person.user.user_id
        )
        with pytest.raises(SignInRefused):
            await sign_in(house, password=NEW, hasher=slow)


async def test_two_sign_ins_that_hash_again_at_once_both_count(house: PeopleHouse) -> None:
    """The same password under new parameters is no change of it."""
    await house.person("ada@example.com")
    with Hasher.open(randomness=os.urandom, cost=Cost(memory_kib=16, passes=1)) as stronger:
        found = await outcomes(*(sign_in(house, hasher=stronger) for _ in range(4)))
    assert all(isinstance(each, PasswordProof) for each in found)


async def test_busy_hashers_cost_nobody_an_attempt(house: PeopleHouse) -> None:
    """503 says nothing about the password, so it does not count against the account."""
    await house.person("ada@example.com")
    with Hasher.open(randomness=os.urandom, cost=CHEAP, running_max=1, waiting_max=0) as narrow:
        narrow._gate._running_max = 0
        for each in await outcomes(*(sign_in(house, hasher=narrow) for _ in range(4))):
            assert 503 == each.status  # type: ignore[attr-defined]  # HashersBusy, all four
        for _ in range(8):
            await outcomes(sign_in(house, hasher=narrow))
    assert await sign_in(house)


def _stored(admin_dsn: str) -> str:
    with psycopg.connect(admin_dsn) as connection:
        row = connection.execute("select hash from meterr.user_password").fetchone()
    assert row is not None
    return row[0]
