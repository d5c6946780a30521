"""Keys that get too old: told in time, once, and ended when nobody acted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from meterr.core.errors import Invalid, NotFound
from meterr.identity import KeyRefused, create_tenant, revoke_key
from meterr.identity.model import Reason
from meterr.identity.rotation import (
    CodeRefused,
    RotationPolicy,
    end_policy,
    list_policies,
    mark_due,
    set_policy,
)
from meterr.identity.rotation.model import Due
from support.identity import House, outcome

DAY = timedelta(days=1)
DAY_MS = 86_400_000
NOBODY = "0199d3a0-0000-7000-8000-000000000000"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


async def set_(house: House, key_id: str | None = None, **terms: timedelta) -> None:
    times = {"max_age": 90 * DAY, "notice": 14 * DAY, "grace": 7 * DAY, **terms}
    await set_policy(
        house.db, house.clock, house.tenant_id, RotationPolicy(key_id, author="ops", **times)
    )


async def due(house: House, days: float) -> list[Due]:
    """Return what a round tells, so many days from now."""
    house.clock.ahead_ms = int(days * DAY_MS)
    return await mark_due(house.db, house.clock, house.tenant_id)


class TestTheNotice:
    async def test_comes_once_and_before_the_key_is_due(self, house: House) -> None:
        """S2:9: an expiry per key with reminders, instead of a date in somebody's calendar."""
        key = (await house.key(owner="ann")).record
        await set_(house)
        assert [] == await due(house, 75)
        (told,) = await due(house, 76.001)
        assert (key.key_id, "ann", key.last4) == (told.key_id, told.owner, told.last4)
        assert abs(told.due_at_ms - key.created_at_ms - 90 * DAY_MS) < DAY_MS / 100
        assert told.due_at_ms + 7 * DAY_MS == told.grace_until_ms
        assert [] == await due(house, 78)

    async def test_comes_before_the_end_also_for_keys_that_are_too_old_already(
        self, house: House, admin_dsn: str
    ) -> None:
        """A policy that is set today breaks nobody today."""
        await house.key()
        with psycopg.connect(admin_dsn) as connection:
            connection.execute("update meterr.api_key set created_at = now() - interval '9 years'")
        await set_(house)
        (told,) = await due(house, 0)
        assert abs(told.due_at_ms - house.clock.unix_ms() - 14 * DAY_MS) < 60_000

    async def test_of_many_processes_one_tells(self, house: House) -> None:
        """An advisory lock for the tenant; who does not get it has nothing to do."""
        for _ in range(5):
            await house.key()
        await set_(house)
        house.clock.ahead_ms = 80 * DAY_MS
        rounds = await asyncio.gather(
            *(mark_due(house.db, house.clock, house.tenant_id) for _ in range(6))
        )
        told = [each.key_id for found in rounds for each in found]
        assert 5 == len(told) == len(set(told))

    async def test_a_key_never_ends_later_for_it(self, house: House) -> None:
        """Its own expiry stays."""
        expiry = house.clock.unix_ms() + 88 * DAY_MS
        await house.key(expires_at_ms=expiry)
        await set_(house)
        assert [expiry] == [each.grace_until_ms for each in await due(house, 80)]

    async def test_leaves_out_what_ended_or_was_replaced(self, house: House) -> None:
        """Only keys that somebody must act on are told."""
        replaced = (await house.key()).record.key_id
        new = (await house.rotate(replaced, grace=90 * DAY)).new.record.key_id
        revoked = (await house.key()).record.key_id
        await revoke_key(house.db, house.tenant_id, revoked)
        await house.key(expires_at_ms=house.clock.unix_ms() + DAY_MS)
        await set_(house)
        assert [new] == [each.key_id for each in await due(house, 80)]


class TestTheEnd:
    async def test_a_key_that_nobody_replaced_is_refused_after_the_grace(
        self, house: House
    ) -> None:
        """By the clock of each process, without another round."""
        key = await house.key()
        await set_(house)
        await due(house, 76.001)
        async with house.process() as process:
            house.clock.ahead_ms = 96 * DAY_MS
            assert await process.authenticate(key.secret.presented)
            house.clock.ahead_ms = 98 * DAY_MS
            refused = await outcome(process.authenticate(key.secret.presented))
        assert isinstance(refused, KeyRefused)
        assert Reason.REPLACED is refused.reason

    async def test_its_successor_is_collected_with_a_code_and_both_work_in_the_grace(
        self, house: House
    ) -> None:
        """The owner gets the new key without whoever runs meterr seeing it."""
        old = await house.key()
        await set_(house)
        await due(house, 80)
        (code,) = await house.codes()
        done = await house.collect(code.code.reveal())
        async with house.process() as process:
            for key in (old, done.new):
                assert await process.authenticate(key.secret.presented)
        assert house.clock.unix_ms() + 8 * DAY_MS > (done.old.grace_until_ms or 0)
        assert done.old.due_at_ms is None

    async def test_a_code_for_a_key_that_was_rotated_or_revoked_is_worthless(
        self, house: House
    ) -> None:
        """One successor, whichever way it came; and none for a key that somebody revoked."""
        rotated = (await house.key()).record.key_id
        revoked = (await house.key()).record.key_id
        await set_(house)
        await due(house, 80)
        codes = await house.codes()
        await house.rotate(rotated)
        await revoke_key(house.db, house.tenant_id, revoked)
        for code in codes:
            with pytest.raises(CodeRefused):
                await house.collect(code.code.reveal())


class TestPolicies:
    async def test_a_keys_own_comes_before_the_tenants_and_stays_with_its_line(
        self, house: House
    ) -> None:
        """Per tenant or key; a successor is of the same line."""
        long, other = (await house.key()).record, (await house.key()).record
        await set_(house)
        await set_(house, long.key_id, max_age=365 * DAY)
        new = (await house.rotate(long.key_id, grace=timedelta())).new.record
        assert [other.key_id] == [each.key_id for each in await due(house, 200)]
        assert [new.key_id] == [each.key_id for each in await due(house, 360)]

    async def test_a_changed_or_ended_policy_takes_back_what_was_told(self, house: House) -> None:
        """Nothing ends for a rule that is no longer there."""
        key = (await house.key()).record.key_id
        await set_(house)
        assert await due(house, 80)
        await set_(house, max_age=180 * DAY)
        assert (None, None) == await marks(house, key)
        assert await due(house, 170)
        await end_policy(house.db, house.clock, house.tenant_id, None, "ops")
        assert (None, None) == await marks(house, key)
        assert [] == await due(house, 999)
        assert [] == await list_policies(house.db, house.tenant_id)
        with pytest.raises(NotFound):
            await end_policy(house.db, house.clock, house.tenant_id, None, "ops")

    @pytest.mark.parametrize("how", ["set again", "ended"])
    async def test_a_key_that_ended_by_policy_stays_ended(self, house: House, how: str) -> None:
        """What ended stays ended, whatever becomes of the policy; it is not told again, either."""
        key = await house.key()
        await set_(house)
        await due(house, 80)
        house.clock.ahead_ms = 300 * DAY_MS
        async with house.process() as process:
            assert isinstance(await outcome(process.authenticate(key.secret.presented)), KeyRefused)
            if how == "ended":
                await end_policy(house.db, house.clock, house.tenant_id, None, "ops")
            else:
                await set_(house, max_age=365 * DAY)
            assert [] == await due(house, 360)
            assert isinstance(await outcome(process.authenticate(key.secret.presented)), KeyRefused)

    @pytest.mark.parametrize(
        ("terms", "param"),
        [
            ({"max_age": timedelta(minutes=59)}, "max_age"),
            ({"max_age": timedelta(days=3651)}, "max_age"),
            ({"notice": 90 * DAY}, "notice"),
            ({"notice": -DAY}, "notice"),
            ({"grace": 91 * DAY}, "grace"),
        ],
    )
    async def test_what_cannot_be_kept_is_refused(
        self, house: House, terms: dict[str, timedelta], param: str
    ) -> None:
        """The field is named."""
        with pytest.raises(Invalid) as refused:
            await set_(house, **terms)
        assert param == refused.value.param

    async def test_what_is_not_there_or_foreign_is_not_found(self, house: House) -> None:
        """404, as everywhere."""
        mine = (await house.key()).record.key_id
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        for key_id in (mine, NOBODY, "x"):
            with pytest.raises(NotFound):
                await set_(house, key_id)
        for tenant_id in (NOBODY, "x"):
            house.tenant_id = tenant_id
            with pytest.raises(NotFound):
                await set_(house)


async def marks(house: House, key_id: str) -> tuple[int | None, int | None]:
    record = await house.record(key_id)
    return record.due_at_ms, record.grace_until_ms
