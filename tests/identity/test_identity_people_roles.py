"""Roles are given, changed and taken by calls of their own, and somebody stays in charge."""

import asyncio
import json

import psycopg
import pytest

from meterr.core.db import Database
from meterr.core.db import Role as DatabaseRole
from meterr.core.errors import Invalid, NotFound
from meterr.core.policy import PLATFORM, Forbidden, Role
from meterr.identity import Standing, revoke_key
from meterr.identity.people import (
    RoleChange,
    disable_user,
    enable_user,
    find_person,
    remove_member,
    set_role,
)
from meterr.identity.people.errors import LastAdmin, OwnRole
from support.identity import House as Keys
from support.identity import until
from support.people import OPERATOR, REASON, PeopleHouse, outcomes, proven


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def give(house: PeopleHouse, user_id: str, role: Role, by=OPERATOR) -> RoleChange:
    return await set_role(
        house.db,
        house.clock,
        by=by,
        tenant_id=house.tenant_id,
        user_id=user_id,
        role=role,
        reason=REASON,
    )


async def remove(house: PeopleHouse, user_id: str, by=OPERATOR) -> RoleChange:
    return await remove_member(
        house.db, house.clock, by=by, tenant_id=house.tenant_id, user_id=user_id, reason=REASON
    )


async def test_an_admin_gives_another_member_a_role(house: PeopleHouse) -> None:
    """Issue 4, item 1; the change says what was before, for the record."""
    admin = await house.actor("admin@example.com", Role.ADMIN)
    ada = (await house.person("ada@example.com")).user.user_id

    assert RoleChange(house.tenant_id, ada, Role.USER, Role.ADMIN) == await give(
        house, ada, Role.ADMIN, admin
    )
    assert {house.tenant_id: Role.ADMIN} == (await find_person(house.db, ada)).roles
    assert RoleChange(house.tenant_id, ada, Role.ADMIN, None) == await remove(house, ada, admin)
    assert {} == (await find_person(house.db, ada)).roles


async def test_who_was_removed_can_come_back_as_something_else(house: PeopleHouse) -> None:
    """The membership that ended begins again with the role of the new invitation."""
    ada = await house.person("ada@example.com")
    await remove(house, ada.user.user_id)
    await house.take_up(await house.invite("ada@example.com", Role.ADMIN))
    assert {house.tenant_id: Role.ADMIN} == (await find_person(house.db, ada.user.user_id)).roles


async def test_nobody_raises_their_own_role(house: PeopleHouse) -> None:
    """CVE-2026-47102: a role is no field of one's own account; lowering it is free."""
    await house.person("other@example.com", Role.ADMIN)
    admin = await house.actor("admin@example.com", Role.ADMIN)
    root = await house.actor("root@example.com", Role.SUPER_ADMIN)
    await house.take_up(await house.invite("root@example.com", Role.USER))
    both = proven(await find_person(house.db, root.user_id), house.clock.now_ms)

    with pytest.raises(OwnRole):
        await give(house, root.user_id, Role.ADMIN, both)
    lowered = await give(house, admin.user_id, Role.USER, admin)
    assert (Role.ADMIN, Role.USER) == (lowered.before, lowered.after)


async def test_a_user_gives_no_role_and_an_admin_none_elsewhere(house: PeopleHouse) -> None:
    """S1:314, row 55: roles are of a tenant; CVE-2026-12799: the list of functions per role."""
    lab = await house.tenant("lab")
    user = await house.actor("user@example.com", Role.USER)
    admin = await house.actor("admin@example.com", Role.ADMIN, tenant_id=lab)

    with pytest.raises(Forbidden):
        await give(house, user.user_id, Role.ADMIN, user)
    with pytest.raises(NotFound):
        await give(house, user.user_id, Role.ADMIN, admin)
    with pytest.raises(NotFound):
        await remove(house, user.user_id, admin)


@pytest.mark.parametrize("user_id", ["0199ffff-0000-7000-8000-0000000000ff", "no-id", ""])
async def test_who_is_no_member_has_no_role_to_change(house: PeopleHouse, user_id: str) -> None:
    """S1:325-328, row 56: a missing row is 404, not equal to a missing user."""
    with pytest.raises(NotFound):
        await give(house, user_id, Role.ADMIN)


async def test_a_stranger_of_the_tenant_is_no_member_of_it(house: PeopleHouse) -> None:
    """A person of another tenant is not found here."""
    stranger = await house.person("s@example.com", tenant_id=await house.tenant("lab"))
    with pytest.raises(NotFound):
        await give(house, stranger.user.user_id, Role.ADMIN)


async def test_super_admin_is_no_role_of_a_tenant(house: PeopleHouse) -> None:
    """Row 55: a plane of its own; the database itself refuses the row."""
    ada = await house.person("ada@example.com")
    with pytest.raises(Invalid):
        await give(house, ada.user.user_id, Role.SUPER_ADMIN)
    async with house.db.tenant_transaction(house.tenant_id) as connection:
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute("update meterr.membership set role = 'super_admin'")
    async with house.db.tenant_transaction(house.tenant_id) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(
                "insert into meterr.membership (tenant_id, user_id, role) values (%s, %s, %s)",
                [PLATFORM, ada.user.user_id, "super_admin"],
            )


async def test_the_last_admin_stays(house: PeopleHouse) -> None:
    """Issue 4: neither lowered, nor removed, nor disabled without saying so; users do not count."""
    admin = (await house.person("admin@example.com", Role.ADMIN)).user.user_id
    await house.person("user@example.com")
    for refused in (
        give(house, admin, Role.USER),
        remove(house, admin),
        disable_user(house.db, house.clock, by=OPERATOR, user_id=admin),
    ):
        with pytest.raises(LastAdmin):
            await refused
    assert await give(house, admin, Role.ADMIN)  # no change is no removal

    disabled = await disable_user(
        house.db, house.clock, by=OPERATOR, user_id=admin, leaving_no_admin=True
    )
    assert "disabled" == disabled.state


async def test_a_disabled_admin_does_not_count_as_somebody_in_charge(house: PeopleHouse) -> None:
    """The other administrator must be able to sign in."""
    first = (await house.person("a@example.com", Role.ADMIN)).user.user_id
    second = (await house.person("b@example.com", Role.ADMIN)).user.user_id
    await disable_user(house.db, house.clock, by=OPERATOR, user_id=second)
    with pytest.raises(LastAdmin):
        await remove(house, first)
    await enable_user(house.db, house.clock, by=OPERATOR, user_id=second)
    assert await remove(house, first)


async def test_two_admins_who_remove_each_other_leave_one(house: PeopleHouse) -> None:
    """Both look at the same moment; one of them is too late."""
    admins = [await house.actor(f"{n}@example.com", Role.ADMIN) for n in range(4)]
    ids = [each.user_id for each in admins]
    pairs = [(ids[n - 1], by) for n, by in enumerate(admins)]

    found = await outcomes(*(remove(house, user_id, by) for user_id, by in pairs))

    left = [each for each in ids if (await find_person(house.db, each)).roles]
    assert 1 == len(left)
    assert [LastAdmin] == [type(each) for each in found if not isinstance(each, RoleChange)]


async def test_a_change_of_people_reaches_every_listener(
    house: PeopleHouse, database_url: str
) -> None:
    """P5: sessions and keys of a disabled person end everywhere; one channel for all."""
    ada = await house.person("ada@example.com")
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen meterr_identity")
        await give(house, ada.user.user_id, Role.ADMIN)
        await disable_user(
            house.db,
            house.clock,
            by=OPERATOR,
            user_id=ada.user.user_id,
            leaving_no_admin=True,
        )
        heard = await asyncio.to_thread(
            lambda: [json.loads(n.payload) for n in listener.notifies(timeout=30, stop_after=3)]
        )

    assert {ada.user.user_id} == {each["user_id"] for each in heard}
    role, *disabled = heard
    assert house.tenant_id == role["tenant_id"]
    assert {house.tenant_id, PLATFORM} == {each["tenant_id"] for each in disabled}
    assert ada.user.version < role["version"] < disabled[0]["version"]
    assert (await find_person(house.db, ada.user.user_id)).actor(None, 0) is None


async def test_gateways_go_on_knowing_their_keys_while_people_change(
    house: PeopleHouse, database_url: str
) -> None:
    """A notice that the key memory could not read would make it deaf and read everything again."""
    async with Keys.open(database_url) as keys, keys.process() as gateway:
        key = (await keys.key()).secret.presented
        principal = await gateway.authenticate(key)
        await house.person("root@example.com", Role.SUPER_ADMIN)
        taken = await house.take_up(await house.invite("ada@example.com", tenant_id=keys.tenant_id))
        await disable_user(house.db, house.clock, by=OPERATOR, user_id=taken.user_id)
        await revoke_key(keys.db, keys.tenant_id, principal.key_id)  # the last notice of all
        await until(lambda: gateway.warm(key) is None)
        assert ("", Standing.LIVE) == (gateway._listener.trouble, gateway.state)


async def test_the_services_role_of_the_gateway_cannot_touch_people(house: PeopleHouse) -> None:
    """CVE-2026-12799, row 10 of 3.1: no hash, no address and no role is within reach of the API."""
    await house.person("ada@example.com")
    async with Database.open(house.dsn, DatabaseRole.APP) as app:
        for statement in (
            "select email from meterr.user_account",
            "select hash from meterr.user_password",
            "select sealed from meterr.totp_factor",
            "update meterr.membership set role = 'admin'",
            "insert into meterr.user_claim (digest) values ('x')",
        ):
            async with app.tenant_transaction(house.tenant_id) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await connection.execute(statement)
