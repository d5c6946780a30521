"""Signing in: what a right password leads to, and what nothing leads to."""

import asyncio
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.policy import Role
from meterr.core.policy import Role as MemberRole
from meterr.identity.factors import begin_totp, confirm_totp
from meterr.identity.passwords import SignInRefused, change_password
from meterr.identity.people import disable_user
from meterr.identity.sessions import ChallengeRefused, Grant, MustEnrol, NeedsFactor, SignIn
from support.people import OPERATOR, PASSWORD, SECRET, WRONG, code_at, outcomes
from support.sessions import LAPTOP, PHONE, SessionHouse

NEW = SecretStr("copper violin meadow anchor")


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        yield opened


async def with_password(house: SessionHouse, email="ada@example.com", password=PASSWORD):
    return await house.sign_in.with_password(email, password, LAPTOP)


async def challenge_of(house: SessionHouse, email: str) -> SecretStr:
    outcome = await with_password(house, email)
    assert isinstance(outcome, NeedsFactor | MustEnrol)
    return outcome.challenge


async def test_a_user_without_factors_is_signed_in_by_the_password(house: SessionHouse) -> None:
    """The roles are those of now, and there was no factor."""
    person = await house.person()
    grant = await with_password(house)
    assert isinstance(grant, Grant)
    actor = await house.actor_of(grant)
    assert (person.user.user_id, {house.tenant_id: Role.USER}) == (actor.user_id, actor.roles)
    assert actor.factor_at_ms is None


async def test_an_access_token_lasts_five_minutes_and_no_longer_than_its_session(
    house: SessionHouse,
) -> None:
    """S1:171, row 33: an hour that nobody could revoke; here 5 minutes, and revocable."""
    await house.person()
    grant = await house.begin()
    assert 300_000 == grant.access_ends_at_ms - house.clock.now_ms
    house.clock.advance(304)
    assert await house.counts(grant)
    house.clock.advance(1)
    assert not await house.counts(grant)

    short = replace(house.issuer, lifetimes=replace(house.issuer.lifetimes, absolute_s=100))
    last = await SignIn(short, house.hasher, house.open_door).with_password(
        "ada@example.com", PASSWORD, LAPTOP
    )
    assert isinstance(last, Grant)
    assert 100_000 == last.access_ends_at_ms - house.clock.now_ms


async def test_whoever_has_a_factor_gives_it(house: SessionHouse) -> None:
    """S2:77: the password alone opens nothing; the factor given is in the session."""
    person = await house.admin()
    outcome = await with_password(house, person.user.email)
    assert isinstance(outcome, NeedsFactor)
    assert ("totp",) == outcome.ways
    assert not (await house.sign_in.pending(outcome.challenge)).must_enrol
    proof = await house.code(person)

    grant = await house.sign_in.finish(outcome.challenge, proof, LAPTOP)

    assert proof.at_ms == (await house.actor_of(grant)).factor_at_ms


async def test_an_administrator_without_a_factor_makes_one_first(house: SessionHouse) -> None:
    """S2:77: until then there is no session at all, so nothing is open to it."""
    person = await house.person("root@example.com", MemberRole.ADMIN)
    outcome = await with_password(house, "root@example.com")
    assert isinstance(outcome, MustEnrol)
    pending = await house.sign_in.pending(outcome.challenge)
    assert pending.must_enrol
    assert person == pending.person
    await begin_totp(
        house.db, house.ids, house.vault, pending.person, randomness=lambda n: SECRET[:n]
    )
    proof = await confirm_totp(
        house.db,
        house.vault,
        house.open_door,
        house.clock,
        user_id=pending.person.user.user_id,
        code=code_at(SECRET, house.clock.now_ms // 1000),
        address=LAPTOP.address,
    )

    grant = await house.sign_in.finish(outcome.challenge, proof, LAPTOP)

    actor = await house.actor_of(grant)
    assert (proof.at_ms, {house.tenant_id: Role.ADMIN}) == (actor.factor_at_ms, actor.roles)


async def test_a_challenge_is_good_once_however_many_use_it(house: SessionHouse) -> None:
    """Of twenty at once, one session."""
    person = await house.admin()
    challenge = await challenge_of(house, person.user.email)
    proof = await house.code(person)

    found = await outcomes(*(house.sign_in.finish(challenge, proof, LAPTOP) for _ in range(20)))

    assert 1 == sum(isinstance(each, Grant) for each in found)
    assert 19 == sum(isinstance(each, ChallengeRefused) for each in found)


async def test_a_challenge_is_for_one_person_and_for_five_minutes(house: SessionHouse) -> None:
    """Somebody else's factor, an older one, a late one, a made-up challenge: one answer."""
    person = await house.admin()
    other = await house.admin("other@example.com")
    early = await house.code(person)
    challenge = await challenge_of(house, person.user.email)
    theirs = await house.code(other)
    house.clock.advance(1)
    for wrong, proof in (
        (challenge, theirs),
        (challenge, early),
        (SecretStr("x" * 43), theirs),
        (SecretStr(""), theirs),
        (SecretStr("\ud800"), theirs),
        (SecretStr("x" * 5000), theirs),
    ):
        with pytest.raises(ChallengeRefused) as refused:
            await house.sign_in.finish(wrong, proof, LAPTOP)
        assert "This sign-in is over. Begin again with the password." == refused.value.detail
    house.clock.advance(300)
    late = await house.code(person)
    with pytest.raises(ChallengeRefused):
        await house.sign_in.pending(challenge)
    with pytest.raises(ChallengeRefused):
        await house.sign_in.finish(challenge, late, LAPTOP)


@pytest.mark.parametrize("change", ["password", "disable", "factor"])
async def test_what_changes_between_password_and_factor_ends_the_sign_in(
    house: SessionHouse, change: str
) -> None:
    """P5: a sign-in must not outlive the change it missed."""
    person = await house.admin()
    await house.admin("other@example.com")
    user_id = person.user.user_id
    challenge = await challenge_of(house, person.user.email)
    proof = await house.code(person)
    if change == "password":
        ask = {"user_id": user_id, "current": PASSWORD, "new": NEW, "address": LAPTOP.address}
        await change_password(house.db, house.hasher, house.open_door, **ask)
    elif change == "disable":
        await disable_user(house.db, house.clock, by=OPERATOR, user_id=user_id)
    else:
        await house.enrol(person)

    with pytest.raises(ChallengeRefused):
        await house.sign_in.finish(challenge, proof, LAPTOP)


async def test_an_enrolment_does_not_outlive_the_password_it_began_with(
    house: SessionHouse, admin_dsn: str
) -> None:
    """Whoever knew the old password makes a factor while its owner sets a new one: no session."""
    person = await house.person("root@example.com", MemberRole.ADMIN)
    challenge = await challenge_of(house, "root@example.com")
    ask = {"current": PASSWORD, "new": NEW, "address": LAPTOP.address}
    await change_password(
        house.db, house.hasher, house.open_door, user_id=person.user.user_id, **ask
    )
    await house.enrol(person)
    proof = await house.code(person)
    with pytest.raises(ChallengeRefused) as refused:
        await house.sign_in.finish(challenge, proof, LAPTOP)
    assert "changed_meanwhile" == refused.value.reason
    assert 0 == sessions_in(admin_dsn)


async def test_whatever_is_wrong_the_answer_and_the_work_are_the_same(
    house: SessionHouse, admin_dsn: str
) -> None:
    """Section 5: unknown, wrong, disabled: one text, one verification, no session, no challenge."""
    await house.person()
    off = await house.person("off@example.com")
    await disable_user(house.db, house.clock, by=OPERATOR, user_id=off.user.user_id)
    told, work = set(), set()
    for email, password in (
        ("ada@example.com", WRONG),
        ("nobody@example.com", WRONG),
        ("off@example.com", PASSWORD),
        ("no address", WRONG),
        ("\ud800", WRONG),
    ):
        before = house.hasher.verifications
        with pytest.raises(SignInRefused) as refused:
            await with_password(house, email, password)
        told.add((refused.value.code, refused.value.status, refused.value.detail))
        work.add(house.hasher.verifications - before)
    assert {("sign-in-refused", 401, "E-mail address or password is not right.")} == told
    assert {1} == work
    assert 0 == sessions_in(admin_dsn)


async def test_every_sign_in_has_an_id_of_its_own(house: SessionHouse) -> None:
    """Section 5, session fixation: nothing that was there before is taken over."""
    await house.person()
    grants = [await house.begin() for _ in range(5)]
    ids = {each.session_id for each in grants}
    texts = {each.refresh.get_secret_value() for each in grants}
    assert (5, 5) == (len(ids), len(texts))


async def test_a_password_that_changes_during_the_sign_in_begins_no_session(
    house: SessionHouse, admin_dsn: str
) -> None:
    """P5: sixteen sign-ins race with the change; none of them is left when all is done."""
    person = await house.person()
    ask = {"user_id": person.user.user_id, "current": PASSWORD, "new": NEW}
    signing_in = [asyncio.create_task(with_password(house)) for _ in range(16)]
    await asyncio.sleep(0)
    await change_password(house.db, house.hasher, house.open_door, address=PHONE.address, **ask)
    found = await asyncio.gather(*signing_in, return_exceptions=True)
    assert 16 == len(found)
    for each in found:
        assert isinstance(each, SignInRefused) or not await house.counts(each)
    assert 0 == sessions_in(admin_dsn)


async def test_a_further_session_ends_the_oldest(house: SessionHouse) -> None:
    """Row 12 of the gateway attacks: sessions are capped, so forgotten ones do not pile up."""
    await house.person()
    few = replace(house.issuer, lifetimes=replace(house.issuer.lifetimes, per_person_max=3))
    sign_in = SignIn(few, house.hasher, house.open_door)
    grants = []
    for _ in range(5):
        house.clock.advance(1)
        grant = await sign_in.with_password("ada@example.com", PASSWORD, LAPTOP)
        assert isinstance(grant, Grant)
        grants.append(grant)
    assert [False, False, True, True, True] == [await house.counts(each) for each in grants]


def sessions_in(admin_dsn: str) -> int:
    """Return how many sessions live."""
    with psycopg.connect(admin_dsn) as connection:
        row = connection.execute(
            "select count(*) from meterr.user_session where ended_at is null"
        ).fetchone()
    assert row is not None
    return row[0]
