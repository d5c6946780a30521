"""Accounts that somebody else took up first, or that a mailbox was stolen of: who keeps what."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from meterr.core.errors import Invalid
from meterr.core.policy import Role
from meterr.identity.factors import (
    FactorProof,
    FactorRefused,
    PasskeyRefused,
    begin_totp,
    check_totp,
    confirm_totp,
    find_enrolled,
    remove_totp,
    replace_recovery_codes,
    use_recovery_code,
)
from meterr.identity.passwords import FactorNeeded, SignInRefused, TakenUp, check_password
from meterr.identity.passwords.claims import Prove
from meterr.identity.people import NewClaim, Person, find_person
from meterr.identity.people.service import issue_reset
from meterr.identity.sessions import Grant, NeedsFactor
from support.authenticator import Authenticator
from support.people import (
    HERE,
    OPERATOR,
    ORIGIN,
    PASSWORD,
    SECRET,
    code_at,
    outcomes,
)
from support.sessions import PHONE, SessionHouse

VICTIM = "victim@example.com"
NEW = SecretStr("copper violin meadow anchor")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SessionHouse]:
    async with SessionHouse.open(database_url) as opened:
        yield opened


async def taken_first(house: SessionHouse) -> Person:
    """Return the account that an administrator elsewhere invited and took up himself."""
    lab = await house.tenant("lab")
    mallory = await house.actor("mallory@example.com", Role.ADMIN, tenant_id=lab)
    taken = await house.take_up(await house.invite(VICTIM, tenant_id=lab, by=mallory))
    return await find_person(house.db, taken.user_id)


async def passkey_of(house: SessionHouse, person: Person) -> Authenticator:
    device = Authenticator(ORIGIN)
    options = await house.passkeys.begin_registration(person)
    await house.passkeys.finish_registration(person, "mine", device.create(options))
    return device


async def reset(house: SessionHouse, person: Person, *, factors: bool = True) -> NewClaim:
    return await issue_reset(
        house.db,
        house.clock,
        by=OPERATOR,
        user_id=person.user.user_id,
        without_factors=not factors,
    )


def by_code(house: SessionHouse, code: str) -> Prove:
    """Return how a reset is confirmed with a TOTP code."""

    async def prove(user_id: str) -> FactorProof:
        return await check_totp(
            house.db,
            house.vault,
            house.open_door,
            house.clock,
            user_id=user_id,
            code=code,
            address=HERE,
        )

    return prove


def by_recovery(house: SessionHouse, code: SecretStr) -> Prove:
    async def prove(user_id: str) -> FactorProof:
        return await use_recovery_code(
            house.db, house.open_door, house.clock, user_id=user_id, code=code, address=HERE
        )

    return prove


async def signs_in(house: SessionHouse, device: Authenticator) -> bool:
    options = await house.passkeys.begin_sign_in(PHONE.address)
    try:
        proof = await house.passkeys.finish_sign_in(PHONE.address, device.get(options))
    except PasskeyRefused:
        return False
    return bool(await house.sign_in.with_passkey(proof, PHONE))


async def opens(house: SessionHouse, password: SecretStr) -> bool:
    try:
        await check_password(
            house.db,
            house.hasher,
            house.open_door,
            email=VICTIM,
            password=password,
            address=HERE,
        )
    except SignInRefused:
        return False
    return True


class TestAnAccountThatSomebodyElseTookUpFirst:
    async def test_no_reset_leaves_the_strangers_passkey_beside_the_owners_password(
        self, house: SessionHouse
    ) -> None:
        """Pre-hijacking: the owner sets a password, and the stranger goes on signing in."""
        account = await taken_first(house)
        strangers = await passkey_of(house, account)

        (found,) = await outcomes(house.take_up(await reset(house, account), NEW))

        assert not (isinstance(found, TakenUp) and await signs_in(house, strangers))

    async def test_a_reset_without_factors_leaves_nothing_of_the_stranger(
        self, house: SessionHouse
    ) -> None:
        """Sessions, passkeys, TOTP, recovery codes, and all that had only begun."""
        account = await taken_first(house)
        strangers = await passkey_of(house, account)
        await replace_recovery_codes(house.db, account.user.user_id)
        await house.enrol(account)
        proof = await house.passkeys.finish_sign_in(
            PHONE.address, strangers.get(await house.passkeys.begin_sign_in(PHONE.address))
        )
        session = await house.sign_in.with_passkey(proof, PHONE)
        half_made = Authenticator(ORIGIN).create(await house.passkeys.begin_registration(account))
        owed = await house.sign_in.with_password(VICTIM, PASSWORD, PHONE)
        assert isinstance(owed, NeedsFactor)

        await house.take_up(await reset(house, account, factors=False), NEW)

        left = await find_enrolled(house.db, account.user.user_id)
        assert (False, 0, 0) == (left.totp, left.passkeys, left.recovery_codes)
        assert not await house.counts(session)
        assert not await signs_in(house, strangers)
        assert not await opens(house, PASSWORD)
        with pytest.raises(PasskeyRefused):
            await house.passkeys.finish_registration(account, "late", half_made)
        assert isinstance(await house.sign_in.with_password(VICTIM, NEW, PHONE), Grant)

    async def test_a_secret_that_the_stranger_had_half_taken_over_is_none(
        self, house: SessionHouse
    ) -> None:
        """A TOTP factor that waits for its first code goes with the others."""
        account = await taken_first(house)
        await begin_totp(house.db, house.ids, house.vault, account, randomness=lambda n: SECRET[:n])
        await house.take_up(await reset(house, account, factors=False), NEW)
        with pytest.raises(FactorRefused):
            await confirm_totp(
                house.db,
                house.vault,
                house.throttle,
                house.clock,
                user_id=account.user.user_id,
                code=code_at(SECRET, house.clock.now_ms // 1000),
                address=HERE,
            )

    async def test_codes_of_before_any_factor_do_not_stand_in_for_the_owners_first_one(
        self, house: SessionHouse
    ) -> None:
        """A trojan: made while there was nothing to stand in for, kept for when there is."""
        account = await taken_first(house)
        await replace_recovery_codes(house.db, account.user.user_id)
        await house.take_up(await reset(house, account), NEW)
        assert 0 == (await find_enrolled(house.db, account.user.user_id)).recovery_codes

        await replace_recovery_codes(house.db, account.user.user_id)
        await house.enrol(account)
        assert 0 == (await find_enrolled(house.db, account.user.user_id)).recovery_codes

    async def test_a_password_alone_stands_alone_after_it(self, house: SessionHouse) -> None:
        """15 characters: the factor that made 8 enough is gone."""
        account = await taken_first(house)
        await house.enrol(account)
        with pytest.raises(Invalid):
            await house.take_up(await reset(house, account, factors=False), SecretStr("jq8vkzxw"))


class TestAnAccountThatIsInUse:
    async def test_a_stolen_mailbox_removes_no_factor_and_sets_no_password(
        self, house: SessionHouse
    ) -> None:
        """The token alone is refused, and stays good for who has the factor."""
        ada = await house.person(VICTIM, Role.ADMIN)
        secret, device = await house.enrol(ada), await passkey_of(house, ada)
        claim = await reset(house, ada)

        with pytest.raises(FactorNeeded) as refused:
            await house.take_up(claim, NEW)

        assert ("totp", "passkey") == refused.value.ways
        assert await opens(house, PASSWORD)
        assert await signs_in(house, device)
        code = code_at(secret, house.clock.now_ms // 1000)
        assert await house.take_up(claim, NEW, prove=by_code(house, code))

    async def test_its_owner_confirms_the_reset_and_keeps_the_factors(
        self, house: SessionHouse
    ) -> None:
        """With a code, a recovery code or a passkey; sessions end all the same."""
        ada = await house.person(VICTIM, Role.ADMIN)
        secret, device = await house.enrol(ada), await passkey_of(house, ada)
        codes = await replace_recovery_codes(house.db, ada.user.user_id)
        session = await house.begin_with_factor(await find_person(house.db, ada.user.user_id))
        ways: list[Prove] = [
            by_code(house, code_at(secret, house.clock.now_ms // 1000)),
            by_recovery(house, codes[0]),
            house.by_passkey(device),
        ]

        for number, prove in enumerate(ways):
            password = SecretStr(f"copper violin meadow anchor {number}")
            taken = await house.take_up(await reset(house, ada), password, prove=prove)
            assert (ada.user.user_id, None) == (taken.user_id, taken.tenant_id)
            assert await opens(house, password)

        left = await find_enrolled(house.db, ada.user.user_id)
        assert (True, 1, 9) == (left.totp, left.passkeys, left.recovery_codes)
        assert not await house.counts(session)
        assert await signs_in(house, device)

    async def test_what_somebody_else_has_confirms_nothing(self, house: SessionHouse) -> None:
        """A wrong code, and another person's passkey, with a token that is right."""
        ada = await house.person(VICTIM, Role.ADMIN)
        await house.enrol(ada)
        bob = await passkey_of(house, await house.person("bob@example.com"))
        claim = await reset(house, ada)
        for prove in (by_code(house, "000000"), house.by_passkey(bob)):
            with pytest.raises((FactorRefused, PasskeyRefused)):
                await house.take_up(claim, NEW, prove=prove)
        assert await opens(house, PASSWORD)

    async def test_a_refused_password_uses_no_code_up(self, house: SessionHouse) -> None:
        """Codes are good once: a person who chose a weak password has not lost one."""
        ada = await house.person(VICTIM)
        code = code_at(await house.enrol(ada), house.clock.now_ms // 1000)
        claim = await reset(house, ada)
        with pytest.raises(Invalid):
            await house.take_up(claim, SecretStr("short"), prove=by_code(house, code))
        assert await house.take_up(claim, NEW, prove=by_code(house, code))

    async def test_a_reset_that_says_so_needs_no_factor(self, house: SessionHouse) -> None:
        """For who lost everything, when the operator has made sure of the person."""
        ada = await house.person(VICTIM, Role.ADMIN)
        await house.enrol(ada)
        await house.take_up(await reset(house, ada, factors=False), NEW)
        assert not (await find_enrolled(house.db, ada.user.user_id)).any

    async def test_the_last_factor_takes_its_recovery_codes_with_it(
        self, house: SessionHouse
    ) -> None:
        """They stand in for a factor; there is none."""
        ada = await house.person(VICTIM)
        await house.enrol(ada)
        await replace_recovery_codes(house.db, ada.user.user_id)
        await remove_totp(house.db, await find_person(house.db, ada.user.user_id))
        assert 0 == (await find_enrolled(house.db, ada.user.user_id)).recovery_codes


@pytest.mark.parametrize("factors", [True, False])
async def test_a_factor_enrolled_while_a_reset_is_taken_up_never_outlives_it(
    house: SessionHouse, factors: bool
) -> None:
    """Race: either the reset sees the factor, or the factor finds that its ceremony is over."""
    account = await taken_first(house)
    for round_ in range(6):
        device = Authenticator(ORIGIN)
        response = device.create(await house.passkeys.begin_registration(account))
        claim = await reset(house, account, factors=factors)
        password = SecretStr(f"copper violin meadow anchor {round_}")

        taken, made = await asyncio.gather(
            house.take_up(claim, password),
            house.passkeys.finish_registration(account, "race", response),
            return_exceptions=True,
        )

        if isinstance(taken, TakenUp):
            assert not await signs_in(house, device)
        else:
            assert isinstance(taken, FactorNeeded)
            assert not isinstance(made, BaseException)
            assert not await opens(house, password)
            await house.take_up(await reset(house, account, factors=False), password)
