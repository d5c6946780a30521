"""A code for a successor is its author's word: it counts while the author may give it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import psycopg
import pytest

from meterr.core.policy import Role
from meterr.identity.changes import revoke_of_author
from meterr.identity.people import (
    Person,
    disable_user,
    enable_user,
    invite_user,
    remove_member,
    set_role,
)
from meterr.identity.rotation import Asker, CodeRefused, Handover, rotate_all
from meterr.identity.rotation.plan import may_hand_over
from support.identity import OPERATOR as BY_OPERATOR
from support.identity import House as Keys
from support.identity import outcome
from support.people import OPERATOR, PeopleHouse


@pytest.fixture
async def author(people: PeopleHouse, keys: Keys) -> Person:
    """An administrator of the keys' tenant, beside another one."""
    await people.person("other@example.com", Role.ADMIN, tenant_id=keys.tenant_id)
    return await people.person("admin@example.com", Role.ADMIN, tenant_id=keys.tenant_id)


async def disable(people: PeopleHouse, keys: Keys, author: Person) -> None:
    await disable_user(people.db, people.clock, by=OPERATOR, user_id=author.user.user_id)


async def lower(people: PeopleHouse, keys: Keys, author: Person) -> None:
    await set_role(
        people.db,
        people.clock,
        by=OPERATOR,
        tenant_id=keys.tenant_id,
        user_id=author.user.user_id,
        role=Role.USER,
    )


async def remove(people: PeopleHouse, keys: Keys, author: Person) -> None:
    await remove_member(
        people.db,
        people.clock,
        by=OPERATOR,
        tenant_id=keys.tenant_id,
        user_id=author.user.user_id,
    )


End = Callable[[PeopleHouse, Keys, Person], Awaitable[None]]
ENDS = pytest.mark.parametrize("end", [remove, lower, disable], ids=lambda end: end.__name__)


async def struck(keys: Keys) -> str:
    """Return the emergency that ended a new key."""
    await keys.key()
    asked = rotate_all(keys.db, keys.ids, tenant_id=keys.tenant_id, asker=BY_OPERATOR)
    return (await asked).emergency_id


async def code_by(keys: Keys, emergency_id: str, person: Person | None) -> Handover:
    user_id = None if person is None else person.user.user_id
    asker = replace(BY_OPERATOR, user_id=user_id)
    (code,) = await keys.codes(emergency_id, asker=asker)
    return code


async def counts(keys: Keys, code: Handover) -> bool:
    return not isinstance(await outcome(keys.collect(code.code.reveal())), CodeRefused)


@ENDS
async def test_what_a_former_administrator_made_counts_no_more(
    people: PeopleHouse, keys: Keys, author: Person, end: End
) -> None:
    """No door kept open: the key goes to whom somebody else makes a code for."""
    emergency_id = await struck(keys)
    code = await code_by(keys, emergency_id, author)
    await end(people, keys, author)
    assert not await counts(keys, code)
    assert await counts(keys, await code_by(keys, emergency_id, None))


async def test_what_others_made_still_counts(
    people: PeopleHouse, keys: Keys, author: Person
) -> None:
    """The operator's, also in place of the author's, and the author's while nothing changed."""
    assert await counts(keys, await code_by(keys, await struck(keys), author))
    emergency_id = await struck(keys)
    await keys.codes(emergency_id, asker=replace(BY_OPERATOR, user_id=author.user.user_id))
    codes = await keys.codes(emergency_id)
    await remove(people, keys, author)
    assert [True] * len(codes) == [await counts(keys, code) for code in codes]


async def test_a_role_that_comes_back_brings_no_code_back(
    people: PeopleHouse, keys: Keys, author: Person
) -> None:
    """As with claims: a membership that begins again is another one."""
    code = await code_by(keys, await struck(keys), author)
    await remove(people, keys, author)
    again = invite_user(
        people.db,
        people.ids,
        people.clock,
        by=OPERATOR,
        email=author.user.email,
        tenant_id=keys.tenant_id,
        role=Role.ADMIN,
    )
    await people.take_up(await again)
    assert not await counts(keys, code)


async def test_an_account_that_is_enabled_again_is_what_it_was(
    people: PeopleHouse, keys: Keys, author: Person
) -> None:
    """With what it had made; a code that was refused meanwhile was not used up."""
    code = await code_by(keys, await struck(keys), author)
    await disable(people, keys, author)
    assert not await counts(keys, code)
    await enable_user(people.db, people.clock, by=OPERATOR, user_id=author.user.user_id)
    assert await counts(keys, code)


@pytest.mark.parametrize("end", [remove, lower], ids=lambda end: end.__name__)
async def test_a_code_that_was_being_made_at_that_moment_works_no_more(
    people: PeopleHouse, keys: Keys, author: Person, end: End, admin_dsn: str
) -> None:
    """The end of a role and the making of a code cross: the collection looks again."""
    code = await code_by(keys, await struck(keys), author)
    await end(people, keys, author)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "update meterr.key_succession set code_expires_at = now() + interval '1 day'"
        )
    assert not await counts(keys, code)


async def test_what_an_author_rotated_or_made_codes_for_is_found_by_author(keys: Keys) -> None:
    """Who collected may be them: all of it ends, and no code of theirs is left."""
    eve = Asker("user eve", "drill")
    await keys.key()
    emergency_id = await struck(keys)
    collected, still_open = await keys.codes(emergency_id, asker=eve)
    got = (await keys.collect(collected.code.reveal())).new.record.key_id
    anothers = (await keys.key(author="user bob")).record.key_id
    rotated = (await keys.rotate(anothers, asker=eve)).new.record.key_id
    dry = await revoke_of_author(keys.db, keys.tenant_id, eve.author, dry_run=True)
    assert {rotated, got} == {*dry}
    assert {rotated, got} == {*await revoke_of_author(keys.db, keys.tenant_id, eve.author)}
    assert not await counts(keys, still_open)
    (again,) = await keys.codes(emergency_id)
    assert await counts(keys, again)
    assert () == await revoke_of_author(keys.db, keys.tenant_id, eve.author)


def test_who_may_rotate_keys_may_hand_successors_over() -> None:
    """Nobody else, and no super_admin: none gets a key of a tenant's."""
    allowed = [role for role in (*Role, None) if may_hand_over(role)]
    assert [Role.ADMIN] == allowed
