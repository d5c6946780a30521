"""Sessions that go on, are shown and end: by their owners, and by those who may."""

import psycopg
import pytest

from meterr.core.errors import NotFound
from meterr.core.policy import PLATFORM, Actor, Forbidden, ProofNeeded
from meterr.core.policy import Role as MemberRole
from meterr.identity.people import Person, find_person
from meterr.identity.sessions import Grant, SessionClient, SessionRefused
from meterr.identity.sessions.administration import end_of_member
from meterr.identity.sessions.model import SignedIn
from support.people import OPERATOR, REASON, outcomes, proven
from support.sessions import LAPTOP, PHONE, SessionHouse


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        yield opened


class TestGivingAFactorAgain:
    async def test_the_session_goes_on_under_a_new_id_with_a_fresh_factor(
        self, house: SessionHouse
    ) -> None:
        """Section 5, session fixation: new ids at a change of privilege; the old ones are over."""
        grant = await house.begin_with_factor(await house.admin())
        before = await house.signed_in(grant)
        house.clock.advance(3000)
        grant = await house.refreshed(grant)
        assert before.actor == await house.actor_of(grant)
        person = (await house.sessions.list(before))[0]
        proof = await house.code(await _person(house, before))

        stepped = await house.sessions.step_up(before, proof, LAPTOP)

        after = await house.signed_in(stepped)
        assert proof.at_ms == after.actor.factor_at_ms
        assert before.session_id not in (after.session_id, stepped.session_id)
        assert not await house.counts(grant)
        with pytest.raises(SessionRefused):
            await house.sessions.refresh(grant.refresh, LAPTOP)
        (now,) = await house.sessions.list(after)
        assert (person.ends_at_ms, True) == (now.ends_at_ms, now.current)

    async def test_of_many_at_once_one_goes_on(self, house: SessionHouse) -> None:
        """A session is replaced once."""
        grant = await house.begin_with_factor(await house.admin())
        signed_in = await house.signed_in(grant)
        proof = await house.code(await _person(house, signed_in))
        found = await outcomes(
            *(house.sessions.step_up(signed_in, proof, LAPTOP) for _ in range(10))
        )
        assert 1 == sum(isinstance(each, Grant) for each in found)
        assert 9 == sum(isinstance(each, SessionRefused) for each in found)

    async def test_somebody_elses_factor_or_session_does_not_count(
        self, house: SessionHouse
    ) -> None:
        """The proof, the actor and the session are one person's."""
        ada = await house.signed_in(await house.begin_with_factor(await house.admin()))
        other = await house.admin("other@example.com")
        bob = await house.signed_in(await house.begin_with_factor(other))
        proof = await house.code(other)
        mixed = SignedIn(session_id=ada.session_id, actor=bob.actor)
        for who in (ada, mixed):
            with pytest.raises(SessionRefused):
                await house.sessions.step_up(who, proof, LAPTOP)
        assert 1 == len(await house.sessions.list(ada))


class TestOnesOwnSessions:
    async def test_are_listed_with_where_and_when(self, house: SessionHouse) -> None:
        """ASVS 7.5.2: what a person needs to find the one that is not theirs."""
        await house.person()
        await house.person("bob@example.com")
        laptop = await house.begin()
        house.clock.advance(60)
        phone = await house.begin(client=PHONE)
        await house.begin("bob@example.com")
        began_ms = house.clock.now_ms
        house.clock.advance(60)
        moved = SessionClient("198.51.100.1", "Mozilla/5.0\r\n\x1b[31m" + "x" * 500)
        laptop = await house.refreshed(laptop, moved)

        first, second = await house.sessions.list(await house.signed_in(phone))

        assert (laptop.session_id, phone.session_id) == (first.session_id, second.session_id)
        assert (False, True) == (first.current, second.current)
        assert (began_ms - 60_000, house.clock.now_ms) == (first.created_at_ms, first.seen_at_ms)
        assert ("198.51.100.1", 200) == (first.address, len(first.user_agent))
        assert first.user_agent.startswith("Mozilla/5.0???[31mxxx")
        assert (PHONE.address, PHONE.user_agent) == (second.address, second.user_agent)

    async def test_an_idle_one_is_not_listed(self, house: SessionHouse) -> None:
        """What can no longer be used is no session."""
        await house.person()
        await house.begin()
        house.clock.advance(3600)
        here = await house.begin()
        assert 1 == len(await house.sessions.list(await house.signed_in(here)))

    async def test_end_one_by_one_or_all_together(self, house: SessionHouse) -> None:
        """ASVS 7.4.5, 7.5.2; row 12 of the gateway attacks: old sessions do not stay valid."""
        await house.person()
        grants = [await house.begin() for _ in range(5)]
        here = await house.signed_in(grants[0])
        await house.sessions.end(here, grants[1].session_id)
        assert [True, False, True, True, True] == [await house.counts(each) for each in grants]
        assert 3 == await house.sessions.sign_out_everywhere(here, but_here=True)
        assert [True, *[False] * 4] == [await house.counts(each) for each in grants]
        assert 1 == await house.sessions.sign_out_everywhere(here)
        assert not await house.counts(grants[0])

    async def test_somebody_elses_is_one_that_does_not_exist(self, house: SessionHouse) -> None:
        """S1:325, row 56: 404 for foreign ids, as for those that are over or were never."""
        await house.person()
        await house.person("bob@example.com")
        ada, bob = await house.begin(), await house.begin("bob@example.com")
        here = await house.signed_in(ada)
        over = await house.begin()
        await house.sessions.sign_out_with(over.refresh)
        for wrong in (bob.session_id, over.session_id, "x' or 1=1 --", "", bob.user_id):
            with pytest.raises(NotFound) as refused:
                await house.sessions.end(here, wrong)
            assert "There is no such session." == refused.value.detail
        assert await house.counts(bob)

    async def test_signing_out_is_no_error_however_often(self, house: SessionHouse) -> None:
        """Also with what is none of ours, and with a token of long ago."""
        await house.person()
        first = await house.begin()
        last = await house.refreshed(await house.refreshed(first))
        for _ in range(2):
            await house.sessions.sign_out_with(first.refresh)
        assert not await house.counts(last)
        await house.sessions.sign_out_with(first.access)

    async def test_a_person_who_is_nothing_anywhere_can_still_sign_out(
        self, house: SessionHouse
    ) -> None:
        """The policy allows nothing to who has no role; leaving needs no permission."""
        person = await house.person()
        grant = await house.begin()
        nobody = SignedIn(grant.session_id, Actor(person.user.user_id, {}, None, 0))
        for refused in (house.sessions.list(nobody), house.sessions.end(nobody, grant.session_id)):
            with pytest.raises(Forbidden):
                await refused
        await house.sessions.sign_out(nobody)
        assert not await house.counts(grant)


class TestSessionsOfMembers:
    async def ends(self, house: SessionHouse, by: object, user_id: str, **ask: object) -> int:
        wanted = {"tenant_id": house.tenant_id, "reason": REASON, **ask}
        return await end_of_member(
            house.db,
            house.clock,
            by=by,  # type: ignore[arg-type]  # an actor or the operator
            user_id=user_id,
            **wanted,  # type: ignore[arg-type]  # they are texts
        )

    async def test_are_ended_by_administrators_of_the_tenant(self, house: SessionHouse) -> None:
        """Item 5 of the issue: as the policy allows; the person may sign in again."""
        person = await house.person()
        admin = await house.actor("root@example.com", MemberRole.ADMIN)
        grants = [await house.begin(), await house.begin()]
        assert 2 == await self.ends(house, admin, person.user.user_id)
        assert [False, False] == [await house.counts(each) for each in grants]
        assert await house.counts(await house.begin())

    async def test_are_not_ended_by_anybody_else(self, house: SessionHouse) -> None:
        """Users, administrators of other tenants, administrators without a factor."""
        person = await house.person()
        user_id = person.user.user_id
        other = await house.tenant("other")
        user = await house.actor("user@example.com", MemberRole.USER)
        stranger = await house.actor("far@example.com", MemberRole.ADMIN, tenant_id=other)
        admin = await house.person("root@example.com", MemberRole.ADMIN)
        bare = admin.actor(None, 0)
        grant = await house.begin()
        for by, error in ((user, Forbidden), (stranger, NotFound), (bare, ProofNeeded)):
            with pytest.raises(error):
                await self.ends(house, by, user_id)
        with pytest.raises(NotFound):
            await self.ends(house, stranger, user_id, tenant_id=other)
        for wrong in ("x", "0199ffff-0000-7000-8000-0000000000ff"):
            with pytest.raises(NotFound):
                await self.ends(house, proven(admin, house.clock.now_ms), wrong)
        assert await house.counts(grant)

    async def test_of_anybody_are_ended_by_the_platform(self, house: SessionHouse) -> None:
        """A super_admin with a reason, and the operator."""
        person = await house.person()
        root = await house.actor("root@example.com", MemberRole.SUPER_ADMIN)
        for by in (root, OPERATOR):
            grant = await house.begin()
            assert 1 == await self.ends(house, by, person.user.user_id, tenant_id=PLATFORM)
            assert not await house.counts(grant)
        with pytest.raises(ProofNeeded):
            await self.ends(house, root, person.user.user_id, tenant_id=PLATFORM, reason="")


async def test_what_is_over_for_a_month_is_forgotten(house: SessionHouse, admin_dsn: str) -> None:
    """Rows do not pile up: a sign-in takes old ones along."""
    await house.person()
    await house.begin()
    house.clock.advance(32 * 24 * 3600)
    await house.begin()
    with psycopg.connect(admin_dsn) as connection:
        assert (1,) == connection.execute("select count(*) from meterr.user_session").fetchone()


async def _person(house: SessionHouse, signed_in: SignedIn) -> Person:
    return await find_person(house.db, signed_in.actor.user_id)
