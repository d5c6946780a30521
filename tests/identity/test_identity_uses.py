"""When a key was used, by whom, and under which pepper: written down beside the calls."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_identity_keys import everything_stored, replaced

from meterr.core.db import Database, Role
from meterr.core.errors import NotFound
from meterr.identity import Authenticator, KeyRefused, Keyring, create_tenant, revoke_key
from meterr.identity.client import Client
from meterr.identity.model import NewKey
from meterr.identity.peppers import PepperUse, list_peppers, require_peppers
from meterr.identity.uses import Diary, list_callers
from meterr.identity.uses.diary import AGENT_CHARS_MAX, CALLERS_MAX, told_agent
from support.identity import House, outcome, until

MINUTE_MS = 60_000


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


async def used(process: Authenticator, key: NewKey, client: Client | None = None) -> None:
    """Present a key once, from memory if possible, as the gateway does."""
    client = client or Client("192.0.2.1", b"curl/8")
    if process.warm(key.secret.presented, client) is None:
        await process.authenticate(key.secret.presented, client)


class TestTheLastUse:
    async def test_is_written_soon_and_then_once_a_minute(self, house: House) -> None:
        """S1:139-144: people see which keys are idle, at one write for each key and minute."""
        key, diary = await house.key(), Diary()
        keeper = house.keeper(diary)
        async with house.process(diary=diary) as process:
            seen = []
            for ahead_ms in (0, 10_000, 40_000, 61_000):
                house.clock.ahead_ms = ahead_ms
                await used(process, key)
                await keeper.write()
                seen.append((await house.record(key.record.key_id)).last_used_at_ms)
        assert None not in seen
        first, *later = (each or 0 for each in seen)
        assert [True, True, False] == [each == first for each in later]
        assert later[-1] >= first + MINUTE_MS

    async def test_never_goes_back_whichever_process_writes_last(self, house: House) -> None:
        """Clocks differ and writes are late: the highest time stays."""
        key = await house.key()
        early, late = Diary(), Diary()
        async with house.process(diary=early) as one, house.process(diary=late) as two:
            await used(one, key)
            house.clock.ahead_ms = 5 * MINUTE_MS
            await used(two, key)
            await house.keeper(late).write()
            highest = (await house.record(key.record.key_id)).last_used_at_ms
            await asyncio.gather(house.keeper(early).write(), house.keeper(early).write())
        assert highest == (await house.record(key.record.key_id)).last_used_at_ms

    async def test_makes_no_process_read_the_key_again(self, house: House, admin_dsn: str) -> None:
        """The key's version is its own: a use is no change of it."""
        key, diary = await house.key(), Diary()
        async with house.process(diary=diary) as process:
            await used(process, key)
            version = versions(admin_dsn)
            await house.keeper(diary).write()
            assert process.warm(key.secret.presented)
        assert version == versions(admin_dsn)

    async def test_a_refused_key_is_not_used(self, house: House) -> None:
        """A revoked key that somebody still tries does not look alive."""
        key, diary = await house.key(), Diary()
        await revoke_key(house.db, house.tenant_id, key.record.key_id)
        async with house.process(diary=diary) as process:
            await outcome(process.authenticate(key.secret.presented))
            await house.keeper(diary).write()
        assert (await house.record(key.record.key_id)).last_used_at_ms is None

    async def test_what_could_not_be_written_is_written_later(self, house: House) -> None:
        """An outage costs nothing but a later line; and no call waits for it."""
        key, diary = await house.key(), Diary()
        async with house.process(diary=diary) as process:
            await used(process, key)
        keeper = house.keeper(diary)
        async with Database.open("host=/nowhere", Role.APP, connect_timeout_s=1) as away:
            real, keeper._db = keeper._db, away
            assert not await keeper.write()
            keeper._db = real
        assert await keeper.write()
        assert (await house.record(key.record.key_id)).last_used_at_ms

    async def test_a_process_that_ends_writes_what_it_knows(self, house: House) -> None:
        """Also what was written less than a minute ago."""
        key, diary = await house.key(), Diary()
        running = asyncio.create_task(house.keeper(diary).run())
        await asyncio.sleep(0)
        async with house.process(diary=diary) as process:
            await used(process, key)
        running.cancel()
        await asyncio.wait({running})
        assert (await house.record(key.record.key_id)).last_used_at_ms


class TestCallersOfAReplacedKey:
    async def test_are_listed_by_address_and_program(self, house: House) -> None:
        """S1:386-388: who is still on the old key, while there is time to tell them."""
        key, diary = await house.key(), Diary()
        keeper = house.keeper(diary)
        async with house.process(diary=diary) as process:
            await used(process, key)
            await keeper.write()
            assert () == await list_callers(house.db, house.tenant_id, key.record.key_id)
        await house.rotate(key.record.key_id)
        async with house.process(diary=diary) as process:
            for _ in range(2):
                for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"):
                    await used(process, key, Client(address, b"ci/1"))
                await keeper.write()
        found = await list_callers(house.db, house.tenant_id, key.record.key_id)
        assert {("192.0.2.1", "ci/1", 4), ("2001:db8::1", "ci/1", 2)} == {
            (each.address, each.user_agent, each.calls) for each in found
        }
        assert all(each.first_at_ms <= each.last_at_ms for each in found)

    async def test_are_few_in_memory_and_in_the_table_however_many_come(self, house: House) -> None:
        """A named size each; the rest is counted as one, and the last 50 stay."""
        key, diary = await house.key(), Diary()
        await house.rotate(key.record.key_id)
        async with house.process(diary=diary) as process:
            for number in range(CALLERS_MAX + 200):
                await used(process, key, Client(f"10.0.{number // 256}.{number % 256}", b"x" * 999))
            page = diary.take_all(0)
        assert CALLERS_MAX + 1 == len(page.callers)
        assert CALLERS_MAX + 200 == sum(each.calls for each in page.callers)
        diary.put_back(page)
        await house.keeper(diary).write()
        found = await list_callers(house.db, house.tenant_id, key.record.key_id)
        assert 50 == len(found)
        assert {AGENT_CHARS_MAX} >= {len(each.user_agent) for each in found if each.address}

    @given(st.binary(max_size=300))
    def test_a_program_is_called_something_short_and_printable(self, raw: bytes) -> None:
        """Whatever the header holds, it goes into a table and onto a terminal."""
        told = told_agent(raw)
        assert len(told) <= AGENT_CHARS_MAX
        assert told.isascii()
        assert told.isprintable()

    async def test_a_key_in_the_name_of_a_program_is_not_kept(
        self, house: House, admin_dsn: str
    ) -> None:
        """P6: also one that was cut off in the middle."""
        key, diary = await house.key(), Diary()
        await house.rotate(key.record.key_id)
        secret = key.secret.reveal().encode()
        async with house.process(diary=diary) as process:
            for padding in (0, 60, 100):
                await used(process, key, Client("192.0.2.1", b"a" * padding + secret + b" canary"))
            await house.keeper(diary).write()
        seen = everything_stored(admin_dsn)
        assert "canary" in seen
        assert key.secret.reveal()[15:24] not in seen

    async def test_of_foreign_keys_are_nobodys_business(self, house: House) -> None:
        """404, as everywhere."""
        mine = (await house.key()).record.key_id
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        for key_id in (mine, "x"):
            with pytest.raises(NotFound):
                await list_callers(house.db, house.tenant_id, key_id)


class TestAChangeOfThePepper:
    async def test_moves_each_key_as_it_is_used_until_the_old_pepper_is_not_needed(
        self, house: House
    ) -> None:
        """Reference identity 3.2: re-MAC on use; the old one retires when its count is 0."""
        keys = [await house.key(name=f"k{n}") for n in range(5)]
        await revoke_key(house.db, house.tenant_id, keys[4].record.key_id)
        both, diary = Keyring.from_secrets(replaced(house), house.pepper), Diary()
        old, new = house.keyring.current.id, both.current.id
        keeper = house.keeper(diary, both)
        assert PepperUse(old, 4, 0, 0, "previous") in await list_peppers(house.db, both)
        async with house.process(keyring=both, diary=diary) as process:
            for key in keys[:4]:
                await used(process, key)
                await used(process, key)
                await keeper.write()
                assert await process.authenticate(key.secret.presented)
            assert {PepperUse(old, 0, 0, 0, "previous"), PepperUse(new, 4, 0, 0, "current")} == set(
                await list_peppers(house.db, both)
            )
        alone = Keyring.from_secrets(replaced(house))
        await require_peppers(house.db, alone)
        async with house.process(keyring=alone) as process:
            for key in keys[:4]:
                assert await process.authenticate(key.secret.presented)
        async with house.process() as process:
            refused = await outcome(process.authenticate(keys[0].secret.presented))
            assert isinstance(refused, KeyRefused)

    async def test_a_key_that_moved_and_is_revoked_is_refused_where_it_was_warm(
        self, house: House
    ) -> None:
        """LiteLLM #25553: a row remembered under the old MAC must hear of it, too."""
        key = await house.key()
        both, diary = Keyring.from_secrets(replaced(house), house.pepper), Diary()
        async with (
            house.process(keyring=both, diary=diary) as mover,
            house.process(keyring=both) as other,
        ):
            for process in (mover, other):
                await used(process, key)
            await house.keeper(diary, both).write()
            await revoke_key(house.db, house.tenant_id, key.record.key_id)
            for process in (mover, other):
                await until(lambda p=process: p.warm(key.secret.presented) is None)
                refused = await outcome(process.authenticate(key.secret.presented))
                assert isinstance(refused, KeyRefused)

    async def test_a_late_move_brings_nothing_back(self, house: House) -> None:
        """LiteLLM #9820: the page was taken before the key was revoked and rotated."""
        revoked, rotated = await house.key(), await house.key()
        both, diary = Keyring.from_secrets(replaced(house), house.pepper), Diary()
        async with house.process(keyring=both, diary=diary) as process:
            for key in (revoked, rotated):
                await used(process, key)
            await revoke_key(house.db, house.tenant_id, revoked.record.key_id)
            done = await house.rotate(rotated.record.key_id, grace=timedelta())
            await house.keeper(diary, both).write()
            for key in (revoked, rotated):
                await until(lambda k=key: process.warm(k.secret.presented) is None)
                refused = await outcome(process.authenticate(key.secret.presented))
                assert isinstance(refused, KeyRefused)
            assert await process.authenticate(done.new.secret.presented)

    async def test_hosts_that_know_the_next_pepper_accept_what_others_moved(
        self, house: House
    ) -> None:
        """Host after host: nobody is refused, and nobody moves a key back."""
        key, diary = await house.key(), Diary()
        ready = Keyring.from_secrets(house.pepper, following=replaced(house))
        moved = Keyring.from_secrets(replaced(house), house.pepper)
        async with (
            house.process(keyring=moved, diary=diary) as first,
            house.process(keyring=ready, diary=(behind := Diary())) as second,
        ):
            for process in (first, second):
                await used(process, key)
            await house.keeper(diary, moved).write()
            for process in (first, second):
                assert await process.authenticate(key.secret.presented)
            await used(second, key)
            await house.keeper(behind, ready).write()
        assert moved.current.id == (await house.record(key.record.key_id)).pepper_id


def versions(admin_dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(admin_dsn) as connection:
        return connection.execute("select key_id, version from meterr.api_key").fetchall()
