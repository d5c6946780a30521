"""Attacks on the end that a key was given: a rotation moves it to no later time."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from meterr.identity import KeyRefused, revoke_key
from meterr.identity.rotation import RotationPolicy, rotate_all, set_policy
from meterr.identity.rotation.schedule import mark_due
from support.identity import OPERATOR, House, outcome

HOUR = timedelta(hours=1)
MONTHS = timedelta(days=90)
HOUR_MS = 3_600_000


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as opened:
        yield opened


async def test_a_leaked_key_gets_no_more_than_the_grace_of_its_emergency(house: House) -> None:
    """P5: whoever may rotate would have kept a struck key alive for 90 days."""
    key = await house.key()
    await rotate_all(house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR, grace=HOUR)
    ends_ms = (await house.record(key.record.key_id)).grace_until_ms
    await house.rotate(key.record.key_id, grace=MONTHS)
    assert ends_ms == (await house.record(key.record.key_id)).grace_until_ms
    house.clock.ahead_ms = 2 * HOUR_MS
    async with house.process() as process:
        assert isinstance(await outcome(process.authenticate(key.secret.presented)), KeyRefused)


async def test_a_second_rotation_gives_the_old_key_no_second_grace(house: House) -> None:
    """P5: its successor was revoked, so another may follow it; its end stays."""
    key = await house.key()
    first = await house.rotate(key.record.key_id, grace=HOUR)
    await revoke_key(house.db, house.tenant_id, first.new.record.key_id)
    second = await house.rotate(key.record.key_id, grace=MONTHS)
    assert first.old.grace_until_ms == second.old.grace_until_ms


async def test_a_code_handed_in_late_gives_no_second_grace(house: House) -> None:
    """P5: a policy ends a key at a named time, whoever follows it and when."""
    key = await house.key()
    terms = RotationPolicy(None, HOUR, timedelta(0), timedelta(days=30), "ops")
    await set_policy(house.db, house.clock, house.tenant_id, terms)
    house.clock.ahead_ms = 2 * HOUR_MS
    await mark_due(house.db, house.clock, house.tenant_id)
    ends_ms = (await house.record(key.record.key_id)).grace_until_ms
    (code,) = await house.codes(valid=timedelta(days=30))
    house.clock.ahead_ms += 29 * 24 * HOUR_MS
    await house.collect(code.code.reveal())
    assert ends_ms == (await house.record(key.record.key_id)).grace_until_ms
