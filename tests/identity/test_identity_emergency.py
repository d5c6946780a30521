"""Every key ended at once, and each successor collected by a code that works once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_identity_keys import everything_stored, stored_rows

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, NotFound
from meterr.identity import (
    Authenticator,
    Environment,
    KeyRefused,
    Keyring,
    create_tenant,
    list_keys,
    revoke_key,
)
from meterr.identity.api_key import mint
from meterr.identity.model import KeyState, NewKey
from meterr.identity.rotation import (
    Asker,
    CodeRefused,
    RotationPolicy,
    mark_due,
    rotate_all,
    set_policy,
)
from meterr.identity.rotation.claim_code import mint_code, parse_code
from meterr.identity.rotation.emergency import Emergency
from meterr.identity.rotation.model import Kind, Struck
from support.identity import OPERATOR, House, outcome, until

DAY = timedelta(days=1)
NOBODY = "0199d3a0-0000-7000-8000-000000000000"
_REFUSE_ONE_KEY = """
    create function meterr.refuse() returns trigger language plpgsql as $$
    begin raise exception 'not this one'; end $$;
    create trigger refuse_one before update on meterr.api_key
       for each row when (new.key_id = '{}') execute function meterr.refuse();
    grant execute on function meterr.refuse() to meterr_app, meterr_owner"""


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


async def strike(house: House, *, everything: bool = False, **terms: object) -> Emergency:
    wanted: dict[str, object] = {
        "tenant_id": None if everything else house.tenant_id,
        "asker": OPERATOR,
        **terms,
    }
    return await rotate_all(house.db, house.ids, **wanted)  # type: ignore[arg-type]  # its own


async def is_refused(process: Authenticator, key: NewKey) -> bool:
    return isinstance(await outcome(process.authenticate(key.secret.presented)), KeyRefused)


class TestEndingAllKeys:
    async def test_none_is_accepted_by_any_process_and_each_has_one_successor(
        self, house: House
    ) -> None:
        """S1:405-414: 2 users with 5 keys each were left with no working key and no test keys."""
        keys = [await house.key(name=f"k{n}", owner=f"o{n % 2}") for n in range(100)]
        async with house.process() as one, house.process() as two:
            for process in (one, two):
                for key in keys:
                    await process.authenticate(key.secret.presented)
            done = await strike(house)
            assert 100 == done.keys
            for process in (one, two):
                await until(lambda p=process: not any(p.warm(k.secret.presented) for k in keys))
                assert all([await is_refused(process, key) for key in keys])
            codes = await house.codes(done.emergency_id)
            assert {key.record.key_id for key in keys} == {code.key_id for code in codes}
            for key, code in zip(keys[:5], codes[:5], strict=True):
                new = (await house.collect(code.code.reveal())).new
                assert (key.record.name, key.record.owner) == (new.record.name, new.record.owner)
                assert code.successor_id == new.record.key_id
                assert await one.authenticate(new.secret.presented)

    async def test_a_dry_run_counts_and_changes_nothing(self, house: House) -> None:
        """Issue 4, 3: `--dry-run` first."""
        key = (await house.key()).record
        other = await create_tenant(house.db, house.ids, "other")
        done = await strike(house, everything=True, dry_run=True)
        assert ({house.tenant_id: 1}, "") == (
            {each.tenant_id: each.keys for each in done.struck},
            done.emergency_id,
        )
        assert other.tenant_id not in {each.tenant_id for each in done.struck}
        assert key == await house.record(key.key_id)

    async def test_one_tenant_is_struck_or_all_are(self, house: House) -> None:
        """A leak of one customer is not everybody's outage."""
        mine, first = await house.key(), house.tenant_id
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        theirs = await house.key()
        async with house.process() as process:
            await strike(house)
            assert await is_refused(process, theirs)
            assert not await is_refused(process, mine)
            await house.key()
            done = await strike(house, everything=True)
            assert {first: 1, house.tenant_id: 1} == {e.tenant_id: e.keys for e in done.struck}
            await until(lambda: process.warm(mine.secret.presented) is None)
            assert await is_refused(process, mine)

    async def test_no_key_slips_through_that_is_rotated_meanwhile(self, house: House) -> None:
        """S1:384-399: whoever comes first: neither the old key nor a successor of it lives on."""
        for _ in range(5):
            olds = [(await house.key()).record for _ in range(4)]
            outcomes = await asyncio.gather(
                strike(house), *(outcome(house.rotate(old.key_id)) for old in olds)
            )
            assert not [each for each in outcomes if "Deadlock" in type(each).__name__]
            keys = (await list_keys(house.db, house.tenant_id, limit=200)).keys
            assert [] == [key for key in keys if key.state is KeyState.ACTIVE]

    async def test_what_fails_half_way_has_ended_no_key_and_made_none(
        self, house: House, admin_dsn: str
    ) -> None:
        """S1:384-399: a loop over users stopped in the middle there; here it is all or nothing."""
        keys = [await house.key() for _ in range(20)]
        with psycopg.connect(admin_dsn) as connection:
            connection.execute(_REFUSE_ONE_KEY.format(keys[10].record.key_id))
        before = sorted(stored_rows(admin_dsn))

        for attempt in (strike(house), house.rotate(keys[10].record.key_id)):
            with pytest.raises(psycopg.errors.RaiseException, match="not this one"):
                await attempt

        assert before == sorted(stored_rows(admin_dsn))
        async with house.process() as process:
            assert [] == [key for key in keys if await is_refused(process, key)]

    async def test_with_a_grace_the_keys_go_on_for_that_long(self, house: House) -> None:
        """For a leak that is only feared: no call fails while people collect."""
        soon = house.clock.unix_ms() + 60_000
        old, short = await house.key(), await house.key(expires_at_ms=soon)
        async with house.process() as process:
            done = await strike(house, grace=timedelta(hours=1))
            (code,) = [
                c for c in await house.codes(done.emergency_id) if c.key_id != short.record.key_id
            ]
            new = (await house.collect(code.code.reveal())).new
            assert not await is_refused(process, old)
            assert not await is_refused(process, new)
            assert soon == (await house.record(short.record.key_id)).grace_until_ms
            house.clock.ahead_ms = 3_700_000
            assert await is_refused(process, old)

    async def test_what_cannot_be_meant_is_refused(self, house: House) -> None:
        """A reason is asked for each time; and a tenant that is none is said."""
        with pytest.raises(Invalid, match="reason"):
            await strike(house, asker=Asker("ops", ""))
        for tenant_id in ("x", "", NOBODY):
            for dry_run in (True, False):
                with pytest.raises(NotFound):
                    await strike(house, tenant_id=tenant_id, dry_run=dry_run)

    async def test_a_tenant_without_keys_is_struck_and_its_emergency_is_known(
        self, house: House
    ) -> None:
        """Whoever was given an id can ask for its codes: none, and not `no such emergency`."""
        dry = await strike(house, dry_run=True)
        done = await strike(house)
        assert (Struck(house.tenant_id, keys=0, codes=0),) == dry.struck == done.struck
        assert [] == await house.codes(done.emergency_id)


class TestCodes:
    @given(st.binary(min_size=26, max_size=26), st.integers(0, 44), st.characters())
    def test_a_code_with_one_wrong_character_is_none(
        self, drawn: bytes, at: int, letter: str
    ) -> None:
        """Slips are told without asking the database."""
        text = mint_code(lambda n: (drawn * 9)[:n] if max(drawn) < 248 else b"\x07" * n).reveal()
        wrong = text[:at] + letter + text[at + 1 :]
        again = parse_code(wrong)
        assert (again is not None) == (wrong.strip() == text)

    def test_a_key_is_no_code(self) -> None:
        """Nor is a MAC of one ever a MAC of the other."""
        assert parse_code(mint(Environment.LIVE, lambda n: b"\x07" * n).reveal()) is None

    async def test_of_many_who_hand_in_a_code_at_once_one_gets_the_key(self, house: House) -> None:
        """Single use under concurrency: 1 key, and one text for everybody else."""
        await house.key()
        done = await strike(house)
        (code,) = await house.codes(done.emergency_id)
        answers = await asyncio.gather(
            *(outcome(house.collect(code.code.reveal())) for _ in range(8))
        )
        refused = [each for each in answers if isinstance(each, CodeRefused)]
        assert 7 == len(refused)
        assert 1 == len({each.detail for each in refused})
        page = await list_keys(house.db, house.tenant_id)
        assert [KeyState.ACTIVE, KeyState.REVOKED] == [key.state for key in page.keys]

    async def test_every_refusal_says_the_same(self, house: House) -> None:
        """Used, expired, replaced, revoked, of an ended key, unknown, malformed: one text."""
        keys = [(await house.key()).record.key_id for _ in range(3)]
        brief = (await house.key(expires_at_ms=house.clock.unix_ms() + 30_000)).record.key_id
        done = await strike(house)
        replaced = {
            each.key_id: each.code.reveal() for each in await house.codes(done.emergency_id)
        }
        fresh = {
            each.key_id: each.code.reveal()
            for each in await house.codes(done.emergency_id, valid=timedelta(minutes=5))
        }
        await house.collect(fresh[keys[0]])
        await revoke_key(house.db, house.tenant_id, keys[1])
        refusals = [
            await outcome(house.collect(text))
            for text in (
                fresh[keys[0]],
                replaced[keys[2]],
                fresh[keys[1]],
                mint_code(lambda n: b"\x07" * n).reveal(),
                "",
                "x" * 10_000,
                "\x00",
            )
        ]
        house.clock.ahead_ms = 60_000
        refusals.append(await outcome(house.collect(fresh[brief])))
        house.clock.ahead_ms = 301_000
        refusals.append(await outcome(house.collect(fresh[keys[2]])))
        assert all(isinstance(each, CodeRefused) for each in refusals), refusals
        assert 1 == len({(str(each), type(each)) for each in refusals})

    async def test_codes_are_made_again_for_what_was_not_collected(self, house: House) -> None:
        """A lost output loses no key: the id of the successor stays, the code is new."""
        for _ in range(3):
            await house.key()
        done = await strike(house)
        first = await house.codes(done.emergency_id)
        collected = await house.collect(first[0].code.reveal())
        again = await house.codes(done.emergency_id)
        assert {each.successor_id for each in first[1:]} == {each.successor_id for each in again}
        assert collected.new.record.key_id not in {each.successor_id for each in again}

    async def test_a_code_that_has_ended_is_over_for_a_host_whose_clock_is_behind(
        self, house: House
    ) -> None:
        """0 accepted after an emergency: nor for who read the clock, and then waited for it."""
        await house.key()
        (code,) = await house.codes((await strike(house)).emergency_id)
        await strike(house)
        house.clock.ahead_ms = -5_000
        with pytest.raises(CodeRefused):
            await house.collect(code.code.reveal())

    async def test_a_second_emergency_ends_the_codes_of_the_first(self, house: House) -> None:
        """Who stole a code has nothing; who collected early collects again."""
        for _ in range(2):
            await house.key()
        codes = await house.codes((await strike(house)).emergency_id)
        new = (await house.collect(codes[0].code.reveal())).new
        second = await strike(house)
        assert 1 == second.keys
        with pytest.raises(CodeRefused):
            await house.collect(codes[1].code.reveal())
        (again,) = await house.codes(second.emergency_id)
        assert new.record.key_id == again.key_id

    @pytest.mark.parametrize("everything", [False, True])
    async def test_how_many_codes_an_emergency_ends_is_said_before_and_after(
        self, house: House, admin_dsn: str, everything: bool
    ) -> None:
        """A lost terminal is answered with the same command: that it voids codes is no secret."""
        for _ in range(3):
            await house.key()
        first = await strike(house, everything=everything)
        used, *_ = await house.codes(first.emergency_id)
        await house.collect(used.code.reveal())
        expected = (Struck(house.tenant_id, keys=1, codes=2),)

        assert expected == (await strike(house, everything=everything, dry_run=True)).struck
        second = await strike(house, everything=everything)
        assert expected == second.struck
        assert (1, 2) == (second.keys, second.codes)
        assert (0, 0) == ((third := await strike(house)).keys, third.codes)

        with psycopg.connect(admin_dsn) as connection:
            rows = connection.execute(
                """select detail from meterr.security_event where kind = 'key.emergency'
                    order by id"""
            ).fetchall()
        told = [(detail["keys"], detail["codes"]) for (detail,) in rows]
        assert [(3, 0), (1, 2), (0, 0)] == told
        assert 2 == len(await house.codes(first.emergency_id))

    async def test_a_key_that_was_due_is_collectable_after_an_emergency(self, house: House) -> None:
        """Every successor is: also of a key that has a code of its policy waiting."""
        await house.key(owner="ann")
        policy = RotationPolicy(None, 90 * DAY, 14 * DAY, 7 * DAY, author="ops")
        await set_policy(house.db, house.clock, house.tenant_id, policy)
        house.clock.ahead_ms = 80 * DAY // timedelta(milliseconds=1)
        assert 1 == len(await mark_due(house.db, house.clock, house.tenant_id))
        (due,) = await house.codes()
        (code,) = await house.codes((await strike(house)).emergency_id)
        assert due.successor_id == code.successor_id
        rotated = await house.collect(code.code.reveal())
        assert (Kind.EMERGENCY, code.successor_id) == (rotated.kind, rotated.new.record.key_id)

    async def test_an_emergency_of_others_has_no_codes_here(self, house: House) -> None:
        """404, as for every foreign id."""
        await house.key()
        done = await strike(house)
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        for emergency_id in (done.emergency_id, NOBODY, "x"):
            with pytest.raises(NotFound):
                await house.codes(emergency_id)

    async def test_a_code_is_nowhere_but_in_the_answer(
        self, house: House, admin_dsn: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """P6: the table has its HMAC."""
        caplog.set_level(logging.DEBUG)
        await house.key(name="canary")
        done = await strike(house)
        (code,) = await house.codes(done.emergency_id)
        seen = everything_stored(admin_dsn) + repr(code) + repr(code.code) + caplog.text
        collected = await house.collect(code.code.reveal())
        refused = await outcome(house.collect(code.code.reveal()))
        seen += everything_stored(admin_dsn) + repr(collected) + repr(refused)
        seen += str(refused) + getattr(refused, "private", "")
        assert "canary" in seen
        for text in (code.code.reveal(), collected.new.secret.reveal()):
            for form in (text, text[15:41], text.encode().hex()):
                assert form not in seen

    async def test_a_code_outlives_a_change_of_the_pepper(self, house: House) -> None:
        """It is found under the previous pepper, as keys are."""
        await house.key()
        (code,) = await house.codes((await strike(house)).emergency_id)
        new = house.pepper.get_secret_value()[::-1]
        house.keyring = Keyring.from_secrets(type(house.pepper)(new), house.pepper)
        assert (
            await house.collect(code.code.reveal())
        ).new.record.pepper_id == house.keyring.current.id


async def test_an_emergency_and_revocations_by_hand_at_once_all_succeed(
    house: House, database_url: str
) -> None:
    """P5: whoever revokes one of the keys meanwhile does not undo the emergency by a deadlock."""
    async with Database.open(database_url, Role.APP, pool_size_max=12) as db:
        for _ in range(6):
            keys = [await house.key() for _ in range(60)]
            await house.codes((await strike(house, grace=timedelta(hours=1))).emergency_id)
            found = await asyncio.gather(
                *(revoke_key(db, house.tenant_id, each.record.key_id) for each in keys[30:50]),
                rotate_all(db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR),
                *(revoke_key(db, house.tenant_id, each.record.key_id) for each in keys[:20]),
                return_exceptions=True,
            )
            assert [] == [repr(each) for each in found if isinstance(each, BaseException)]


async def test_codes_that_are_handed_out_beside_an_emergency_are_no_deadlock(
    house: House, database_url: str
) -> None:
    """Issue 4.3: codes of one emergency are paged through while another one ends them."""
    hour = timedelta(hours=1)
    async with Database.open(database_url, Role.APP, pool_size_max=12) as db:
        for _ in range(200):
            await house.key()
        done = await strike(house, grace=hour)
        await house.codes(done.emergency_id)
        for _ in range(6):
            before, struck, after = await asyncio.gather(
                outcome(house.codes(done.emergency_id)),
                rotate_all(db, house.ids, tenant_id=house.tenant_id, asker=OPERATOR, grace=hour),
                outcome(house.codes(done.emergency_id)),
            )
            assert [] == [each for each in (before, after) if isinstance(each, psycopg.Error)]
            done = struck
