"""Keys that are rotated, and keys that are for some places only, seen by their callers."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.identity import Keyring
from meterr.identity.keyring import Pepper
from meterr.identity.rotation import Asker, rotate_all, rotate_key
from meterr.identity.uses import CallerRecord, list_callers
from support.conversation import BODIES, CHAT, Conversation
from support.load import CHAT as CHAT_CALLS
from support.load import Load
from support.meterr_house import PEPPER, House, open_house
from support.refusals import assert_refused

ASKER = Asker("ops", "drill")


@pytest.fixture
def house(database_url: str, admin_dsn: str, data_root: Path) -> Iterator[House]:
    config = "[server]\nworkers = 2\n"
    with open_house(database_url, admin_dsn, data_root, config=config) as running:
        yield running


def rotated(house: House, key_id: str, grace: timedelta) -> str:
    async def rotate() -> str:
        clock = SystemClock()
        keyring = Keyring(Pepper(PEPPER.encode(), origin="test"))
        async with Database.open(house.database_url, Role.APP) as db:
            done = await rotate_key(
                db,
                keyring,
                IdFactory(clock),
                clock,
                house.tenant_id,
                key_id,
                grace=grace,
                asker=ASKER,
            )
        return done.new.secret.reveal()

    return asyncio.run(rotate())


def callers(house: House, key_id: str) -> tuple[CallerRecord, ...]:
    async def read() -> tuple[CallerRecord, ...]:
        async with Database.open(house.database_url, Role.APP) as db:
            return await list_callers(db, house.tenant_id, key_id)

    return asyncio.run(read())


def calls(house: House, key: str) -> Load:
    return Load(lambda: house.base_url, key, seed=1, callers=3, kinds=(CHAT_CALLS,))


def test_no_call_fails_inside_the_grace_and_every_one_with_the_old_key_after(house: House) -> None:
    """Issue 4, bar: rotation under load. LiteLLM #27193: the grace was written, not kept."""
    with calls(house, house.key) as old:
        house.until(lambda: old.whole > 20)
        new_key = rotated(house, house.key_id, timedelta(seconds=8))
        with calls(house, new_key) as new:
            house.until(lambda: new.whole > 50)
            assert {} == old.broken
            # A call that was let in before may still be answered between the first refusals.
            house.until(lambda: {401} == set(old.statuses(max(0, len(old.seen) - 40))))
            ended = len(old.seen)
            house.until(lambda: len(old.seen) > ended + 50)
            assert {401} == set(old.statuses(ended))
        assert {} == new.broken
        assert {200, 401} == set(old.statuses())
    house.until(lambda: bool(callers(house, house.key_id)), 20)
    assert {"127.0.0.1"} == {each.address for each in callers(house, house.key_id)}


def test_an_emergency_ends_every_key_in_every_process(house: House) -> None:
    """Issue 4, bar: then 0 accepted."""

    async def strike() -> int:
        async with Database.open(house.database_url, Role.APP) as db:
            ids = IdFactory(SystemClock())
            return (await rotate_all(db, ids, tenant_id=None, asker=ASKER)).keys

    with calls(house, house.key) as load:
        house.until(lambda: load.whole > 20)
        assert 1 == asyncio.run(strike())
        house.until(lambda: {401} == set(load.statuses(max(0, len(load.seen) - 40))))
        ended = len(load.seen)
        house.until(lambda: len(load.seen) > ended + 50)
        assert {401} == set(load.statuses(ended))


def test_a_key_for_other_places_is_refused_like_an_unknown_one(meterr: Conversation) -> None:
    """S1:157: one text; where the call came from is what the connection says, not a header."""
    here = meterr.house.new_key(name="here", networks=["127.0.0.0/8"])
    elsewhere = meterr.house.new_key(name="elsewhere", networks=["192.0.2.0/24"])
    assert 200 == meterr.post(CHAT, BODIES[CHAT], key=here).status
    for headers in ({}, {"x-forwarded-for": "192.0.2.7"}, {"forwarded": "for=192.0.2.7"}):
        answer = meterr.post(CHAT, BODIES[CHAT], headers, key=elsewhere)
        assert_refused(CHAT, answer, 401, "This API key is not valid.")
    assert meterr.no_entry(answer)
    lines = [json.loads(line) for line in meterr.house.meterr.lines if '"reason"' in line]
    assert "address" in {line.get("reason") for line in lines}
