"""What is changed of a key after it was made: its terms, and what ends with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, NotFound
from meterr.core.principal import Scope
from meterr.identity import Authenticator, create_tenant, list_keys, revoke_key
from meterr.identity.changes import (
    ChangedMeanwhile,
    KeyChange,
    change_key,
    revoke_made,
    revoke_of_author,
    revoke_with_made,
)
from meterr.identity.grants import GrantExceeded
from meterr.identity.leaks import Fate, revoke_leaked
from meterr.identity.model import KeyRecord, KeyState, NewKey
from meterr.identity.rotation import CodeRefused, KeyEnded, rotate_all
from support.identity import OPERATOR, House, outcome, until

DAY_MS = 86_400_000
ALL = [scope.value for scope in Scope]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as opened:
        yield opened


async def changed(house: House, key: KeyRecord, version: int = 0, **terms: object) -> KeyRecord:
    change = KeyChange(**terms)  # type: ignore[arg-type]  # tests pass the type's own fields
    return await change_key(
        house.db,
        house.clock,
        house.tenant_id,
        key.key_id,
        change,
        version=version or (await house.record(key.key_id)).version,
    )


async def scopes_of(process: Authenticator, key: NewKey) -> frozenset[Scope]:
    return (await process.authenticate(key.secret.presented)).scopes


class TestTerms:
    async def test_what_is_named_changes_and_the_rest_stays(self, house: House) -> None:
        """Issue 4.2: name, scopes, models, networks and expiry; the secret stays."""
        key = await house.key(scopes=ALL, models=["gpt-*"])
        ends_ms = house.clock.unix_ms() + DAY_MS
        new = await changed(
            house,
            key.record,
            name=" renamed ",
            scopes=["chat"],
            networks=["192.0.2.0/24"],
            expires_at_ms=ends_ms,
        )
        expected = replace(
            key.record,
            name="renamed",
            scopes=frozenset({Scope.CHAT}),
            networks=("192.0.2.0/24",),
            expires_at_ms=ends_ms,
            version=new.version,
        )
        assert expected == new == await house.record(key.record.key_id)
        assert new.version > key.record.version
        lifted = await changed(
            house, new, models=None, networks=None, expires_at_ms=None, scopes=ALL
        )
        assert (None, None, None) == (lifted.models, lifted.networks, lifted.expires_at_ms)
        assert frozenset(Scope) == lifted.scopes

    async def test_every_process_acts_on_it(self, house: House) -> None:
        """P5: as on a revocation, by the same notices."""
        key = await house.key(scopes=ALL)
        async with house.process() as process:
            assert frozenset(Scope) == await scopes_of(process, key)
            await changed(house, key.record, scopes=["models"])
            await until(
                lambda: (
                    (warm := process.warm(key.secret.presented)) is not None
                    and warm.scopes == {Scope.MODELS}
                )
            )

    async def test_of_two_who_change_one_key_the_second_is_told(self, house: House) -> None:
        """A lost update is refused, and nothing of it is written; of eight at once one wins."""
        key = (await house.key(scopes=ALL)).record
        answers = await asyncio.gather(
            *(outcome(changed(house, key, key.version, name=f"n{at}")) for at in range(8))
        )
        won = [each for each in answers if isinstance(each, KeyRecord)]
        lost = [each for each in answers if isinstance(each, ChangedMeanwhile)]
        assert (1, 7) == (len(won), len(lost)), answers
        assert won[0] == await house.record(key.key_id)
        assert f"({won[0].version} now)" in lost[0].detail

    async def test_changing_nothing_wakes_nobody(self, house: House) -> None:
        """The version stays, so nobody who looked before is told that it changed."""
        key = (await house.key(models=["gpt-*"])).record
        assert key == await changed(house, key, name="test", models=["gpt-*"])

    async def test_a_key_that_has_ended_is_not_brought_back(self, house: House) -> None:
        """P5: revoked, expired, past its grace: no later expiry helps."""
        soon = house.clock.unix_ms() + 60_000
        brief = (await house.key(expires_at_ms=soon)).record
        old = (
            await house.rotate((await house.key()).record.key_id, grace=timedelta(minutes=1))
        ).old
        gone = (await house.key()).record
        await revoke_key(house.db, house.tenant_id, gone.key_id)
        house.clock.ahead_ms = 61_000
        for ended in (brief, old, gone):
            with pytest.raises(KeyEnded):
                await changed(house, ended, expires_at_ms=soon + DAY_MS)

    async def test_what_cannot_be_meant_is_refused_by_field(self, house: House) -> None:
        """The same rules as for a new key."""
        key = (await house.key()).record
        for terms in (
            {"name": ""},
            {"scopes": []},
            {"scopes": ["root"]},
            {"models": []},
            {"networks": ["192.0.2.1/8"]},
            {"expires_at_ms": 1},
        ):
            with pytest.raises(Invalid) as refused:
                await changed(house, key, **terms)
            assert refused.value.param == next(iter(terms)).removesuffix("_ms")
        for version in (-1, 2**63):
            with pytest.raises(Invalid, match="version"):
                await changed(house, key, version, name="x")

    async def test_another_tenants_key_is_not_there(self, house: House) -> None:
        """404, as for every foreign id."""
        key = (await house.key()).record
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        for act in (
            changed(house, key, key.version, name="x"),
            revoke_with_made(house.db, house.tenant_id, key.key_id),
            revoke_with_made(house.db, house.tenant_id, key.key_id, dry_run=True),
            revoke_with_made(house.db, "x", key.key_id),
        ):
            with pytest.raises(NotFound):
                await act


class TestWithinTheGrant:
    async def test_a_made_key_becomes_no_more_than_its_maker_may_hand_on(
        self, house: House
    ) -> None:
        """CVE-2026-47101 by the back door: make it small, then widen it."""
        ends_ms = house.clock.unix_ms() + DAY_MS
        maker = (
            await house.key(
                scopes=["chat", "models"],
                models=["gpt-*"],
                networks=["192.0.2.0/24"],
                expires_at_ms=ends_ms,
            )
        ).record
        made = await house.key(
            scopes=["chat"],
            models=["gpt-4o"],
            networks=["192.0.2.7/32"],
            expires_at_ms=ends_ms - 1000,
            created_by=maker.key_id,
        )
        for terms in (
            {"scopes": ALL},
            {"models": None},
            {"models": ["o3"]},
            {"networks": None},
            {"networks": ["192.0.0.0/16"]},
            {"expires_at_ms": None},
            {"expires_at_ms": ends_ms + 1},
        ):
            with pytest.raises(GrantExceeded):
                await changed(house, made.record, **terms)
        wider = await changed(
            house, made.record, scopes=["chat", "models"], models=["gpt-*"], expires_at_ms=ends_ms
        )
        assert (("gpt-*",), ends_ms) == (wider.models, wider.expires_at_ms)

    async def test_when_the_maker_has_ended_a_made_key_only_becomes_less(
        self, house: House
    ) -> None:
        """Nobody is left who could hand on more."""
        maker = (await house.key(scopes=ALL)).record
        made = (await house.key(scopes=["chat", "models"], created_by=maker.key_id)).record
        await revoke_key(house.db, house.tenant_id, maker.key_id)
        with pytest.raises(GrantExceeded):
            await changed(house, made, scopes=ALL)
        assert {Scope.CHAT} == (await changed(house, made, scopes=["chat"])).scopes

    async def test_what_a_makers_successor_loses_its_keys_lose(self, house: House) -> None:
        """Issue 4.2, at use: rotating the maker first is no way around it."""
        maker = await house.key(scopes=ALL)
        made = await house.key(scopes=ALL, created_by=maker.record.key_id)
        further = await house.key(scopes=ALL, created_by=made.record.key_id)
        async with house.process() as process:
            next_one = (await house.rotate(maker.record.key_id)).new.record
            for key in (made, further):
                assert frozenset(Scope) == await scopes_of(process, key)
            await changed(house, next_one, scopes=["models"])
            for key in (made, further):
                await until(
                    lambda key=key: (
                        (warm := process.warm(key.secret.presented)) is not None
                        and warm.scopes == {Scope.MODELS}
                    )
                )
            assert frozenset(Scope) == await scopes_of(process, maker)


class TestDescendants:
    async def test_a_key_that_is_revoked_alone_leaves_what_it_made(self, house: House) -> None:
        """The rule: keys are the tenant's, and stay as a door does when its builder leaves."""
        maker = (await house.key()).record
        made = (await house.key(created_by=maker.key_id, author="key of ci")).record
        await revoke_key(house.db, house.tenant_id, maker.key_id)
        left = await house.record(made.key_id)
        assert (KeyState.ACTIVE, maker.key_id, "key of ci") == (
            left.state,
            left.created_by,
            left.author,
        )

    async def test_all_that_it_made_ends_with_it_when_that_is_asked(self, house: House) -> None:
        """Its keys, theirs, their successors, also behind one that had ended; nobody else's."""
        top, other = await house.key(), await house.key()
        child = await house.key(created_by=top.record.key_id)
        grandchild = await house.key(created_by=child.record.key_id)
        rotated = (await house.rotate(grandchild.record.key_id)).new
        after_rotation = await house.key(created_by=rotated.record.key_id)
        not_its_own = await house.key(created_by=other.record.key_id)
        successor = (await house.rotate(top.record.key_id)).new
        await revoke_key(house.db, house.tenant_id, child.record.key_id)
        expected = {each.record.key_id for each in (grandchild, rotated, after_rotation)}
        dry = await revoke_with_made(house.db, house.tenant_id, top.record.key_id, dry_run=True)
        assert (KeyState.ACTIVE, expected) == (dry.key.state, set(dry.made))
        async with house.process() as process:
            for key in (top, rotated, not_its_own):
                await process.authenticate(key.secret.presented)
            done = await revoke_with_made(house.db, house.tenant_id, top.record.key_id)
            assert (KeyState.REVOKED, expected) == (done.key.state, set(done.made))
            for key in (top, rotated):
                await until(lambda key=key: process.warm(key.secret.presented) is None)
        states = {
            each.key_id: each.state for each in (await list_keys(house.db, house.tenant_id)).keys
        }
        kept = {each.record.key_id for each in (other, not_its_own, successor)}
        assert kept == {key for key, state in states.items() if state is KeyState.ACTIVE}
        again = await revoke_with_made(house.db, house.tenant_id, top.record.key_id)
        assert () == again.made

    async def test_a_key_that_is_being_made_meanwhile_does_not_slip_through(
        self, house: House
    ) -> None:
        """Eight makers race with the revocation: every key that came of it has ended."""
        top = (await house.key()).record
        answers = await asyncio.gather(
            *(outcome(house.key(created_by=top.key_id)) for _ in range(8)),
            revoke_with_made(house.db, house.tenant_id, top.key_id),
        )
        page = await list_keys(house.db, house.tenant_id)
        assert {KeyState.REVOKED} == {key.state for key in page.keys}
        assert len(page.keys) == 1 + sum(isinstance(each, NewKey) for each in answers)

    async def test_a_leaked_key_takes_along_what_it_made(
        self, house: House, database_url: str
    ) -> None:
        """Issue 4.11: by default, also when the key itself was revoked before somebody found it."""
        leaked, before = await house.key(), await house.key()
        made = (await house.key(created_by=leaked.record.key_id)).record
        made_before = (await house.key(created_by=before.record.key_id)).record
        await revoke_key(house.db, house.tenant_id, before.record.key_id)
        text = f"{leaked.secret.reveal()} {before.secret.reveal()}".encode()
        async with _auth(database_url) as db_auth:
            dry = await revoke_leaked(db_auth, house.db, house.keyring, [text], dry_run=True)
            assert [1, 1] == [each.made for each in dry]
            assert KeyState.ACTIVE is (await house.record(made.key_id)).state
            found = await revoke_leaked(db_auth, house.db, house.keyring, [text])
        assert {(Fate.REVOKED, 1), (Fate.WAS_REVOKED, 1)} == {(x.fate, x.made) for x in found}
        for key_id in (made.key_id, made_before.key_id):
            assert KeyState.REVOKED is (await house.record(key_id)).state

    async def test_what_somebody_made_ends_with_what_that_made(self, house: House) -> None:
        """For keys of a stolen account: successors too, and no key of anybody else."""
        first = await house.key(author="user eve")
        successor = (await house.rotate(first.record.key_id)).new.record
        below = (await house.key(created_by=successor.key_id, author="key")).record
        kept = (await house.key(author="user ann")).record
        expected = {first.record.key_id, successor.key_id, below.key_id}
        dry = await revoke_of_author(house.db, house.tenant_id, "user eve", dry_run=True)
        assert expected == set(dry)
        assert KeyState.ACTIVE is (await house.record(below.key_id)).state
        ended = await revoke_of_author(house.db, house.tenant_id, " user eve ")
        assert expected == set(ended)
        page = await list_keys(house.db, house.tenant_id)
        assert [kept.key_id] == [k.key_id for k in page.keys if k.state is KeyState.ACTIVE]
        assert () == await revoke_of_author(house.db, house.tenant_id, "user eve")
        with pytest.raises(Invalid, match="author"):
            await revoke_of_author(house.db, house.tenant_id, "")


class TestForGood:
    @pytest.mark.parametrize("grace", [timedelta(), timedelta(hours=1)])
    async def test_a_key_revoked_by_hand_during_an_emergency_gets_no_successor(
        self, house: House, grace: timedelta
    ) -> None:
        """Issue 4.3: no code is made again, and none that was made before works."""
        condemned, spared = (await house.key()).record, (await house.key()).record
        done = await rotate_all(
            house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR, grace=grace
        )
        before = {each.key_id: each.code for each in await house.codes(done.emergency_id)}
        await revoke_key(house.db, house.tenant_id, condemned.key_id)
        again = await house.codes(done.emergency_id)
        assert [spared.key_id] == [each.key_id for each in again]
        with pytest.raises(CodeRefused):
            await house.collect(before[condemned.key_id].reveal())
        assert (await house.record(condemned.key_id)).successor_id is None
        await house.collect(again[0].code.reveal())

    async def test_a_code_that_was_being_made_at_that_moment_works_no_more(
        self, house: House, admin_dsn: str
    ) -> None:
        """The look at what waits and the revocation cross: the collection looks again."""
        key = (await house.key()).record
        done = await rotate_all(house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR)
        (code,) = await house.codes(done.emergency_id)
        await revoke_key(house.db, house.tenant_id, key.key_id)
        _write_code_again(admin_dsn)
        with pytest.raises(CodeRefused):
            await house.collect(code.code.reveal())

    async def test_a_revocation_and_a_collection_take_their_locks_in_one_order(
        self, house: House, admin_dsn: str
    ) -> None:
        """Whoever waits for the key holds nothing that a revocation wants: no deadlock ends it."""
        key = (await house.key()).record
        done = await rotate_all(house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR)
        (code,) = await house.codes(done.emergency_id)
        waiting = "select exists (select from pg_locks where not granted)"
        async with (
            await psycopg.AsyncConnection.connect(admin_dsn) as revoking,
            await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True) as looking,
        ):
            await revoking.execute(
                "select from meterr.api_key where key_id = %s for update", [key.key_id]
            )
            collecting = asyncio.create_task(house.collect(code.code.reveal()))
            async with asyncio.timeout(20):
                while (await (await looking.execute(waiting)).fetchone()) != (True,):
                    assert not collecting.done()
            await revoking.execute("select from meterr.key_succession for update nowait")
            await revoking.commit()
        assert code.successor_id == (await collecting).new.record.key_id

    async def test_what_a_struck_key_made_gets_none_either(self, house: House) -> None:
        """Made by a leaked key, struck by the emergency: nobody follows it."""
        top = (await house.key()).record
        made = (await house.key(created_by=top.key_id)).record
        done = await rotate_all(house.db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR)
        assert (made.key_id,) == await revoke_made(house.db, house.tenant_id, top.key_id)
        assert [top.key_id] == [each.key_id for each in await house.codes(done.emergency_id)]


def _write_code_again(admin_dsn: str) -> None:
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "update meterr.key_succession set code_expires_at = now() + interval '1 day'"
        )


def _auth(dsn: str) -> AbstractAsyncContextManager[Database]:
    return Database.open(dsn, Role.AUTH)
