"""A claim is its author's word: it counts while the author is what it takes to give it."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from meterr.core.policy import PLATFORM, Actor, Forbidden, Permission, Role
from meterr.identity.people import (
    NewClaim,
    Operator,
    disable_user,
    enable_user,
    find_person,
    remove_member,
    set_role,
)
from meterr.identity.people.errors import ClaimRefused
from meterr.identity.people.model import Author, Claim
from meterr.identity.people.roles import author_of, still_granted, wanted_for
from meterr.identity.people.service import issue_reset
from support.people import OPERATOR, REASON, PeopleHouse, proven

NEW = "new@example.com"
TENANT = "0199aaaa-0000-7000-8000-00000000000a"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        await opened.person("another@example.com", Role.ADMIN)
        yield opened


async def remove(house: PeopleHouse, author: Actor, tenant_id: str = "") -> None:
    await remove_member(
        house.db,
        house.clock,
        by=OPERATOR,
        tenant_id=tenant_id or house.tenant_id,
        user_id=author.user_id,
    )


async def lower(house: PeopleHouse, author: Actor) -> None:
    await set_role(
        house.db,
        house.clock,
        by=OPERATOR,
        tenant_id=house.tenant_id,
        user_id=author.user_id,
        role=Role.USER,
    )


async def disable(house: PeopleHouse, author: Actor) -> None:
    await disable_user(house.db, house.clock, by=OPERATOR, user_id=author.user_id)


async def counts(house: PeopleHouse, claim: NewClaim) -> bool:
    try:
        await house.take_up(claim)
    except ClaimRefused:
        return False
    return True


@pytest.mark.parametrize("stopped", [remove, lower, disable])
@pytest.mark.parametrize("role", [Role.USER, Role.ADMIN])
async def test_what_a_former_administrator_made_counts_no_more(
    house: PeopleHouse, role: Role, stopped
) -> None:
    """A door kept open: an invitation made before, taken up after one was shown out."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    claim = await house.invite(NEW, role, by=author)
    await stopped(house, author)
    assert not await counts(house, claim)


async def test_what_others_made_still_counts(house: PeopleHouse) -> None:
    """The operator's, another administrator's, and the author's own while nothing changed."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    other = await house.actor("other@example.com", Role.ADMIN)
    mine = await house.invite("a@example.com", Role.ADMIN, by=author)
    claims = [
        await house.invite("b@example.com", Role.ADMIN, by=other),
        await house.invite("c@example.com", Role.ADMIN),
    ]
    assert await counts(house, mine)
    await remove(house, author)
    assert [True, True] == [await counts(house, claim) for claim in claims]


async def test_a_role_that_comes_back_brings_no_claim_back(house: PeopleHouse) -> None:
    """As with keys: a membership that begins again is another one."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    claim = await house.invite(NEW, by=author)
    await remove(house, author)
    await house.take_up(await house.invite("admin@example.com", Role.ADMIN))
    assert not await counts(house, claim)


async def test_an_account_that_is_enabled_again_is_what_it_was(house: PeopleHouse) -> None:
    """With its memberships and keys, and with what it had made."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    claim = await house.invite(NEW, by=author)
    await disable(house, author)
    assert not await counts(house, claim)
    await enable_user(house.db, house.clock, by=OPERATOR, user_id=author.user_id)
    assert await counts(house, claim)


async def test_a_former_super_admin_has_no_way_back_and_resets_nobody(house: PeopleHouse) -> None:
    """On the platform as in a tenant, also for what they made in tenants by breaking glass."""
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    await house.person("root2@example.com", Role.SUPER_ADMIN)
    ada = await house.person("ada@example.com")
    claims = [
        await house.invite("back@example.com", Role.SUPER_ADMIN, tenant_id=PLATFORM, by=root),
        await house.invite("in@example.com", Role.ADMIN, by=root),
        await issue_reset(house.db, house.clock, by=root, user_id=ada.user.user_id, reason=REASON),
    ]
    await remove(house, root, PLATFORM)
    assert [False] * 3 == [await counts(house, claim) for claim in claims]


async def test_no_super_admin_takes_the_factors_of_another(house: PeopleHouse) -> None:
    """A stolen session of one is not the account of the next; also when the role came later."""
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    other = await house.actor("root2@example.com", Role.SUPER_ADMIN)
    ada = (await house.person("ada@example.com")).user.user_id

    async def reset(user_id: str, by: Actor | Operator = root) -> NewClaim:
        return await issue_reset(
            house.db, house.clock, by=by, user_id=user_id, without_factors=True, reason=REASON
        )

    for user_id in (other.user_id, root.user_id):
        with pytest.raises(Forbidden):
            await reset(user_id)
    early = await reset(ada)
    await house.take_up(await house.invite("ada@example.com", Role.SUPER_ADMIN, tenant_id=PLATFORM))
    assert not await counts(house, early)
    assert await counts(house, await reset(other.user_id, OPERATOR))


async def test_who_is_administrator_and_super_admin_made_it_as_administrator(
    house: PeopleHouse,
) -> None:
    """Leaving the platform takes nothing from what was made at home."""
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    await house.person("root2@example.com", Role.SUPER_ADMIN)
    await house.take_up(await house.invite("root@example.com", Role.ADMIN))
    both = proven(await find_person(house.db, root.user_id), house.clock.now_ms)
    claim = await house.invite(NEW, Role.ADMIN, by=both)
    await remove(house, root, PLATFORM)
    assert await counts(house, claim)


async def test_a_claim_waits_for_the_end_of_its_author_and_finds_it(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """Race: taken up while the removal is not committed yet, it does not slip past."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    claim = await house.invite(NEW, Role.ADMIN, by=author)
    with psycopg.connect(admin_dsn) as removal, psycopg.connect(admin_dsn) as watch:
        removal.execute(
            "update meterr.membership set ended_at = now() where user_id = %s", [author.user_id]
        )
        taking = asyncio.ensure_future(house.take_up(claim))
        while not watch.execute("select from pg_locks where not granted").fetchall():
            watch.rollback()
            await asyncio.sleep(0.01)
        removal.commit()
    with pytest.raises(ClaimRefused):
        await taking


async def test_the_refusal_is_that_of_any_other_claim(house: PeopleHouse) -> None:
    """One text: it tells nobody who has left."""
    author = await house.actor("admin@example.com", Role.ADMIN)
    claim = await house.invite(NEW, by=author)
    await remove(house, author)
    with pytest.raises(ClaimRefused) as over:
        await house.take_up(claim)
    with pytest.raises(ClaimRefused) as unknown:
        await house.take_up(NewClaim(type(claim.token)("meterr_claim_" + "A" * 43), "x", 0))
    assert str(over.value) == str(unknown.value)


# The rule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tenant_id", "role", "wanted"),
    [
        (None, None, {Permission.PLATFORM_USER_CHANGE}),
        (PLATFORM, Role.SUPER_ADMIN, {Permission.PLATFORM_ROLE_CHANGE}),
        (TENANT, Role.USER, {Permission.TENANT_MEMBER_INVITE}),
        (TENANT, Role.ADMIN, {Permission.TENANT_MEMBER_INVITE, Permission.TENANT_ROLE_CHANGE}),
    ],
)
def test_each_kind_of_claim_names_what_it_takes(
    tenant_id: str | None, role: Role | None, wanted: set[Permission]
) -> None:
    """The same at issue and at use."""
    assert wanted == wanted_for(tenant_id, role)


@pytest.mark.parametrize("author_role", [None, *Role])
@pytest.mark.parametrize(
    ("tenant_id", "role", "may"),
    [
        (None, None, {Role.SUPER_ADMIN}),
        (PLATFORM, Role.SUPER_ADMIN, {Role.SUPER_ADMIN}),
        (TENANT, Role.USER, {Role.ADMIN, Role.SUPER_ADMIN}),
        (TENANT, Role.ADMIN, {Role.ADMIN, Role.SUPER_ADMIN}),
    ],
)
def test_a_claim_counts_by_what_its_author_is_now(
    tenant_id: str | None, role: Role | None, may: set[Role], author_role: Role | None
) -> None:
    """Every role against every kind; without an author it is the operator's, and counts."""
    author = Author("ada", tenant_id or PLATFORM)
    assert (author_role in may) == still_granted(
        Claim(b"", "bob", tenant_id, role, author, author_role)
    )
    assert still_granted(Claim(b"", "bob", tenant_id, role, None))


def test_an_author_answers_where_the_role_is() -> None:
    """At home before the platform; the operator is nobody's account."""
    here = {TENANT: Role.ADMIN, PLATFORM: Role.SUPER_ADMIN}
    assert Author("ada", TENANT) == author_of(Actor("ada", here, 0, 0), TENANT, Role.ADMIN)
    glass = {TENANT: Role.USER, PLATFORM: Role.SUPER_ADMIN}
    assert Author("ada", PLATFORM) == author_of(Actor("ada", glass, 0, 0), TENANT, Role.USER)
    assert Author("ada", PLATFORM) == author_of(Actor("ada", glass, 0, 0), None, None)
    assert author_of(Operator("tests"), TENANT, Role.ADMIN) is None
