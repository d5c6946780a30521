"""Accounts begin with a claim: 256 bits, good once, known to the database by a digest only."""

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.errors import Invalid, NotFound
from meterr.core.policy import PLATFORM, Forbidden, ProofNeeded, Role
from meterr.identity.passwords import SignInRefused, TakenUp, check_password
from meterr.identity.people import NewClaim, find_person, list_members, list_users
from meterr.identity.people.claim import CLAIM_HOURS, digest_of
from meterr.identity.people.errors import AlreadyMember, ClaimRefused, OwnRole
from meterr.identity.people.service import find_user, issue_reset
from support.people import HERE, OPERATOR, PASSWORD, REASON, PeopleHouse, outcomes, proven

OTHER = SecretStr("copper violin meadow anchor")


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def test_an_invited_person_sets_a_password_and_is_a_member(house: PeopleHouse) -> None:
    """Issue 4, item 1: (tenant, role) memberships; none before the claim is taken up."""
    claim = await house.invite("Ada@Example.com", Role.ADMIN)
    waiting = await find_user(house.db, "ada@example.com")
    assert not waiting.joined
    assert {} == (await find_person(house.db, waiting.user_id)).roles

    taken = await house.take_up(claim)

    assert TakenUp(waiting.user_id, house.tenant_id, first=True) == taken
    person = await find_person(house.db, taken.user_id)
    assert {house.tenant_id: Role.ADMIN} == person.roles
    assert ("ada@example.com", True) == (person.user.email, person.user.joined)


async def test_of_50_uses_of_one_claim_at_once_one_succeeds(house: PeopleHouse) -> None:
    """Single use, decided by PostgreSQL and not by a look before."""
    claim = await house.invite("ada@example.com")

    found = await outcomes(*(house.take_up(claim) for _ in range(30)))
    later = await outcomes(*(house.take_up(claim) for _ in range(20)))

    assert 1 == sum(isinstance(each, TakenUp) for each in found)
    assert [] == [e for e in [*found, *later] if not isinstance(e, TakenUp | ClaimRefused)]
    assert [] == [each for each in later if isinstance(each, TakenUp)]


async def test_two_invitations_of_one_new_account_make_one_first_password(
    house: PeopleHouse,
) -> None:
    """The second tenant's claim does not overwrite what the first one's bearer has set."""
    lab = await house.tenant("lab")
    first = await house.invite("ada@example.com")
    second = await house.invite("ada@example.com", tenant_id=lab)

    found = await outcomes(house.take_up(first, PASSWORD), house.take_up(second, OTHER))

    assert 1 == sum(isinstance(each, TakenUp) and each.first for each in found)


async def test_a_claim_is_over_after_72_hours(house: PeopleHouse) -> None:
    """It expires; a refused one tells no more than one that never was."""
    claim = await house.invite("ada@example.com")
    assert house.clock.now_ms + CLAIM_HOURS * 3_600_000 == claim.expires_at_ms
    house.clock.advance(CLAIM_HOURS * 3600)

    late, made_up = await outcomes(
        house.take_up(claim),
        house.take_up(NewClaim(SecretStr("meterr_claim_" + "A" * 43), "x", 0)),
    )

    assert isinstance(late, ClaimRefused)
    assert isinstance(made_up, ClaimRefused)
    assert (str(late), late.status) == (str(made_up), made_up.status)


@pytest.mark.parametrize(
    "text", ["", "meterr_claim_", "meterr_claim_" + "A" * 44, "é" * 56, "' or 1"]
)
def test_what_does_not_look_like_a_claim_asks_no_database(text: str) -> None:
    """Only a digest of a well-formed token reaches SQL."""
    assert digest_of(SecretStr(text)) is None


async def test_a_new_invitation_ends_the_one_before(house: PeopleHouse) -> None:
    """One link at a time for one tenant."""
    old = await house.invite("ada@example.com")
    new = await house.invite("ada@example.com")
    with pytest.raises(ClaimRefused):
        await house.take_up(old)
    assert await house.take_up(new)


async def test_only_a_digest_of_the_claim_is_stored(house: PeopleHouse, admin_dsn: str) -> None:
    """P6: whoever reads the table cannot use what is in it."""
    claim = await house.invite("ada@example.com")
    token = claim.token.get_secret_value()
    with psycopg.connect(admin_dsn) as connection:
        (stored,) = connection.execute(
            "select to_jsonb(c)::text from meterr.user_claim c"
        ).fetchall()
    assert token not in stored[0]
    assert token not in repr(claim)


async def test_whoever_invites_an_account_gets_no_hold_of_it(house: PeopleHouse) -> None:
    """A claim of another tenant needs the account's own password, and sets none."""
    await house.person("ada@example.com")
    lab = await house.tenant("lab")
    mallory = await house.actor("mallory@example.com", Role.ADMIN, tenant_id=lab)
    claim = await house.invite("ada@example.com", tenant_id=lab, by=mallory)

    with pytest.raises(SignInRefused):
        await house.take_up(claim, OTHER)
    taken = await house.take_up(claim, PASSWORD)

    assert (lab, False) == (taken.tenant_id, taken.first)
    assert await check_password(
        house.db,
        house.hasher,
        house.throttle,
        email="ada@example.com",
        password=PASSWORD,
        address=HERE,
    )


async def test_the_answer_to_an_invitation_tells_nothing_about_accounts(house: PeopleHouse) -> None:
    """Enumeration-safe: a new address and one that another tenant knows look alike."""
    await house.person("known@example.com")
    lab = await house.tenant("lab")
    known = await house.invite("known@example.com", tenant_id=lab)
    new = await house.invite("new@example.com", tenant_id=lab)
    assert known.expires_at_ms == new.expires_at_ms
    assert len(known.token.get_secret_value()) == len(new.token.get_secret_value())


async def test_a_refused_password_leaves_the_claim_good(house: PeopleHouse) -> None:
    """A person who chose a weak one may choose again."""
    claim = await house.invite("ada@example.com")
    with pytest.raises(Invalid):
        await house.take_up(claim, SecretStr("short"))
    assert await house.take_up(claim)


async def test_a_reset_sets_a_new_password_and_ends_what_was(house: PeopleHouse) -> None:
    """A change of the password is told to every process as a change of the account."""
    person = await house.person("ada@example.com")
    claim = await issue_reset(house.db, house.clock, by=OPERATOR, user_id=person.user.user_id)

    taken = await house.take_up(claim, OTHER)

    after = await find_person(house.db, person.user.user_id)
    assert (None, False) == (taken.tenant_id, taken.first)
    assert after.user.version > person.user.version
    with pytest.raises(SignInRefused):
        await check_password(
            house.db,
            house.hasher,
            house.throttle,
            email="ada@example.com",
            password=PASSWORD,
            address=HERE,
        )


async def test_who_may_invite_is_what_the_policy_says(house: PeopleHouse) -> None:
    """Row 54-57: foreign tenants are 404, users 403, super_admins only by super_admins."""
    lab = await house.tenant("lab")
    user = await house.actor("user@example.com", Role.USER)
    admin = await house.actor("admin@example.com", Role.ADMIN)
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)

    with pytest.raises(Forbidden):
        await house.invite("new@example.com", by=user)
    with pytest.raises(NotFound):
        await house.invite("new@example.com", tenant_id=lab, by=admin)
    with pytest.raises(Forbidden):
        await house.invite("new@example.com", Role.SUPER_ADMIN, tenant_id=PLATFORM, by=admin)
    with pytest.raises(Invalid):
        await house.invite("new@example.com", Role.SUPER_ADMIN, by=admin)
    stale = proven(await find_person(house.db, admin.user_id), house.clock.now_ms - 3_600_000)
    with pytest.raises(ProofNeeded):
        await house.invite("new@example.com", by=stale)
    assert await house.invite("new@example.com", by=admin)
    assert await house.invite("next@example.com", Role.SUPER_ADMIN, tenant_id=PLATFORM, by=root)


async def test_nobody_invites_themselves_or_a_member(house: PeopleHouse) -> None:
    """Roles are changed by their own call, by somebody else."""
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    with pytest.raises(OwnRole):
        await house.invite("Root@example.com", Role.ADMIN, by=root)
    await house.person("ada@example.com")
    with pytest.raises(AlreadyMember):
        await house.invite("ada@example.com", Role.ADMIN)


@pytest.mark.parametrize("tenant_id", ["0199ffff-0000-7000-8000-0000000000ff", "no-id"])
async def test_a_tenant_that_does_not_exist_invites_nobody(
    house: PeopleHouse, tenant_id: str
) -> None:
    """The database holds claims to their tenants, too."""
    with pytest.raises(NotFound):
        await house.invite("ada@example.com", tenant_id=tenant_id)


async def test_members_are_listed_by_tenant_and_people_by_the_platform(house: PeopleHouse) -> None:
    """S1:325-328: the tenant is in the WHERE and in row-level security; pages by key."""
    lab = await house.tenant("lab")
    admin = await house.actor("admin@example.com", Role.ADMIN)
    for n in range(3):
        await house.person(f"user{n}@example.com")
    await house.person("stranger@example.com", tenant_id=lab)
    ask = {"by": admin, "tenant_id": house.tenant_id, "limit": 3}

    first = await list_members(house.db, house.clock, **ask)
    rest = await list_members(house.db, house.clock, **ask, after=first.after)

    shown = [each.user.email for each in (*first.members, *rest.members)]
    assert [f"user{n}@example.com" for n in (2, 1, 0)] + ["admin@example.com"] == shown
    assert rest.after is None
    with pytest.raises(NotFound):
        await list_members(house.db, house.clock, by=admin, tenant_id=lab)
    with pytest.raises(Forbidden):
        await list_users(house.db, house.clock, by=admin)
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    everybody = await list_users(house.db, house.clock, by=root, reason=REASON)
    assert 6 == len(everybody.people)
