"""Keys of people: they count as long as the person is active and a member, in every process."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from meterr.core.errors import Invalid
from meterr.identity import Authenticator, create_tenant
from meterr.identity.errors import KeyRefused
from meterr.identity.model import NewKey, Reason
from meterr.identity.people import Person, disable_user, enable_user, find_person, remove_member
from support.identity import House as Keys
from support.identity import outcome, said, until
from support.people import OPERATOR, PeopleHouse


@pytest.fixture
async def ada(people: PeopleHouse, keys: Keys) -> Person:
    """A member of the keys' tenant."""
    return await people.person("ada@example.com", tenant_id=keys.tenant_id)


async def key_of(keys: Keys, person: Person) -> NewKey:
    return await keys.key(owner=person.user.email, owner_user_id=person.user.user_id)


async def disable(people: PeopleHouse, keys: Keys, person: Person) -> None:
    await disable_user(people.db, people.clock, by=OPERATOR, user_id=person.user.user_id)


async def remove(people: PeopleHouse, keys: Keys, person: Person) -> None:
    await remove_member(
        people.db,
        people.clock,
        by=OPERATOR,
        tenant_id=keys.tenant_id,
        user_id=person.user.user_id,
    )


End = Callable[[PeopleHouse, Keys, Person], Awaitable[None]]
ENDS = pytest.mark.parametrize("end", [disable, remove], ids=lambda end: end.__name__)


async def refusal(process: Authenticator, key: NewKey) -> Reason | None:
    """Return why a key is refused, None when it is not."""
    answer = await outcome(process.authenticate(key.secret.presented))
    return answer.reason if isinstance(answer, KeyRefused) else None


@ENDS
async def test_two_other_processes_refuse_the_keys_of_who_is_gone(
    people: PeopleHouse, keys: Keys, ada: Person, end: End
) -> None:
    """S1:162, P5: by notice, so both are live when they refuse; neither did the disabling."""
    key = await key_of(keys, ada)
    async with (
        keys.operating_system_process(key) as one,
        keys.operating_system_process(key) as two,
    ):
        await end(people, keys, ada)
        assert ["refused owner_gone live"] * 2 == [await said(one), await said(two)]


@ENDS
async def test_nobody_elses_key_stops(
    people: PeopleHouse, keys: Keys, ada: Person, end: End
) -> None:
    """Neither a key of the tenant, nor one that only has the person's name on it, nor Bob's."""
    bob = await people.person("bob@example.com", tenant_id=keys.tenant_id)
    others = [await keys.key(), await keys.key(owner="ada@example.com"), await key_of(keys, bob)]
    hers = await key_of(keys, ada)
    async with keys.process() as process:
        for key in (hers, *others):
            assert await refusal(process, key) is None
        await end(people, keys, ada)
        await until(lambda: process.warm(hers.secret.presented) is None)
        assert Reason.OWNER_GONE is await refusal(process, hers)
        assert [None] * 3 == [await refusal(process, key) for key in others]


async def test_in_another_tenant_a_person_who_left_keeps_the_key(
    people: PeopleHouse, keys: Keys, ada: Person
) -> None:
    """A membership is of one tenant; an account is of all."""
    other = (await create_tenant(keys.db, keys.ids, "other")).tenant_id
    await people.take_up(await people.invite("ada@example.com", tenant_id=other))
    here = await key_of(keys, ada)
    keys.tenant_id, left = other, keys.tenant_id
    there = await key_of(keys, ada)
    keys.tenant_id = left
    async with keys.process() as process:
        await remove(people, keys, ada)
        assert [Reason.OWNER_GONE, None] == [await refusal(process, key) for key in (here, there)]
        await disable(people, keys, ada)
        await until(lambda: process.warm(there.secret.presented) is None)
        assert Reason.OWNER_GONE is await refusal(process, there)


async def test_who_comes_back_from_being_disabled_has_the_keys_again(
    people: PeopleHouse, keys: Keys, ada: Person
) -> None:
    """Enabled as what they were; also a process that saw both."""
    key = await key_of(keys, ada)
    async with keys.process() as process:
        assert await refusal(process, key) is None
        await disable(people, keys, ada)
        await until(lambda: process.warm(key.secret.presented) is None)
        await enable_user(people.db, people.clock, by=OPERATOR, user_id=ada.user.user_id)
        await until(lambda: process.warm(key.secret.presented) is not None)


async def test_who_joins_again_does_not_get_old_keys_back(
    people: PeopleHouse, keys: Keys, ada: Person
) -> None:
    """A key of somebody who left may be anywhere by now; a new membership makes new keys."""
    old = await key_of(keys, ada)
    await remove(people, keys, ada)
    await people.take_up(await people.invite("ada@example.com", tenant_id=keys.tenant_id))
    again = await find_person(people.db, ada.user.user_id)
    assert keys.tenant_id in again.roles
    async with keys.process() as process:
        assert Reason.OWNER_GONE is await refusal(process, old)
        assert await refusal(process, await key_of(keys, again)) is None


async def test_only_a_member_of_the_tenant_can_own_its_keys(
    people: PeopleHouse, keys: Keys, ada: Person
) -> None:
    """No stranger, nobody who left, nobody whose id is none."""
    stranger = await people.person("bob@example.com")  # a member of another tenant
    await remove(people, keys, ada)
    for user_id in (stranger.user.user_id, ada.user.user_id, "nobody"):
        with pytest.raises(Invalid, match="no member of this tenant"):
            await keys.key(owner_user_id=user_id)


async def test_no_role_gives_a_key_to_somebody_else(keys: Keys) -> None:
    """Who it was made for is written once; the database holds it to a membership."""
    key = await keys.key()
    async with keys.db.tenant_transaction(keys.tenant_id) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(
                "update meterr.api_key set owner_user_id = null where key_id = %s",
                [key.record.key_id],
            )
