"""One key follows another: both work inside the grace, and nothing brings the old one back."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_identity_keys import everything_stored

from meterr.core.errors import Invalid, NotFound
from meterr.core.limits import Holder, Measure, Span
from meterr.identity import Authenticator, Environment, KeyRefused, create_tenant, revoke_key
from meterr.identity.model import KeyRecord, KeyState, NewKey, Reason
from meterr.identity.rotation import AlreadyRotated, Asker, KeyEnded
from meterr.identity.rotation.plan import GRACE_MAX, plan
from meterr.ledger.limits import NewLimit, set_limit
from support.identity import OPERATOR, House, outcome, until

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
ahead = st.one_of(st.none(), st.integers(-10 * HOUR_MS, 3000 * HOUR_MS).map(lambda ms: NOW_MS + ms))

# What a successor must not have from its predecessor; everything else is copied.
OWN = {
    "key_id", "mac", "pepper_id", "last4", "state", "created_at", "revoked_at", "version",
    "successor_id", "grace_until", "due_at", "emergency_id", "first_key_id",
}  # fmt: skip


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.open(database_url) as house:
        yield house


def a_key(**terms: object) -> KeyRecord:
    wanted: dict[str, object] = {
        "tenant_id": "t",
        "key_id": "k",
        "name": "n",
        "environment": Environment.LIVE,
        "last4": "abcd",
        "scopes": frozenset(),
        "models": None,
        "expires_at_ms": None,
        "state": KeyState.ACTIVE,
        "created_at_ms": 0,
        "revoked_at_ms": None,
        **terms,
    }
    return KeyRecord(**wanted)  # type: ignore[arg-type]  # a record's own fields


async def reason_of(process: Authenticator, key: NewKey) -> Reason | None:
    """Return why a process refuses a key, None when it does not."""
    answer = await outcome(process.authenticate(key.secret.presented))
    return answer.reason if isinstance(answer, KeyRefused) else None


class TestThePlan:
    @given(ahead, ahead, st.timedeltas(timedelta(), GRACE_MAX))
    def test_the_old_key_never_outlives_its_grace_or_its_own_expiry(
        self, expires_at_ms: int | None, grace_until_ms: int | None, grace: timedelta
    ) -> None:
        """S1:386-388: per key, with an overlap; and rotation lends nobody time."""
        key = a_key(expires_at_ms=expires_at_ms, grace_until_ms=grace_until_ms)
        ended = any(at is not None and at <= NOW_MS for at in (expires_at_ms, grace_until_ms))
        if ended:
            with pytest.raises(KeyEnded):
                plan(key, successor_counts=False, grace=grace, now_ms=NOW_MS)
            return
        decided = plan(key, successor_counts=False, grace=grace, now_ms=NOW_MS)
        assert NOW_MS <= decided.grace_until_ms <= NOW_MS + grace / timedelta(milliseconds=1)
        assert expires_at_ms is None or decided.grace_until_ms <= expires_at_ms
        assert (decided.grace_until_ms == NOW_MS) == decided.revoked

    def test_a_revoked_key_has_no_successor(self) -> None:
        """Unless an emergency ended it."""
        key = a_key(state=KeyState.REVOKED, revoked_at_ms=1)
        with pytest.raises(KeyEnded):
            plan(key, successor_counts=False, grace=HOUR, now_ms=NOW_MS)
        assert plan(key, successor_counts=False, grace=HOUR, now_ms=NOW_MS, hurt=True).revoked


class TestRotating:
    async def test_both_keys_work_until_the_grace_is_over(self, house: House) -> None:
        """S1:386-388, LiteLLM #27193: the grace was written and the old key refused."""
        old = await house.key()
        async with house.process() as one, house.process() as two:
            for process in (one, two):
                await process.authenticate(old.secret.presented)
            done = await house.rotate(old.record.key_id, grace=HOUR)
            for process in (one, two):
                for key in (old, done.new):
                    assert await reason_of(process, key) is None
                    await until(lambda p=process, k=key: bool(p.warm(k.secret.presented)))
            house.clock.ahead_ms = HOUR_MS - 60_000
            # The rotation's notice may come only now, and the key be read again for it.
            await until(lambda: bool(one.warm(old.secret.presented)))
            house.clock.ahead_ms = HOUR_MS + 1
            for process in (one, two):
                # Refused by its own clock, or read again if the notice comes as late as this.
                await until(lambda p=process: p.warm(old.secret.presented) is None)
                assert Reason.REPLACED is await reason_of(process, old)
                assert await reason_of(process, done.new) is None

    async def test_the_successor_has_every_term_of_the_old_key(
        self, house: House, admin_dsn: str
    ) -> None:
        """S1:405-414: same name, environment and scopes; a new column is copied or named here."""
        expiry = house.clock.unix_ms() + 5 * HOUR_MS
        old = await house.key(
            name="ci",
            environment=Environment.TEST,
            scopes=["chat", "models"],
            models=["gpt-*"],
            networks=["192.0.2.0/24"],
            expires_at_ms=expiry,
            owner="ann",
            output_tokens_default=7,
            send_output_default=True,
        )
        done = await house.rotate(old.record.key_id)
        with psycopg.connect(admin_dsn) as connection:
            rows = connection.execute(
                "select to_jsonb(k) from meterr.api_key k order by key_id"
            ).fetchall()
        was, new = (row[0] for row in rows)
        assert {name for name in was if was[name] == new[name]} - OWN == set(was) - OWN
        assert done.new.record.expires_at_ms == expiry
        assert done.new.secret.reveal().startswith("sk-meterr_test_")
        assert (old.record.key_id, None) == (new["first_key_id"], new["successor_id"])

    async def test_the_old_key_ends_no_later_than_it_would_have(self, house: House) -> None:
        """Rotation never extends past the original expiry, of neither key."""
        expiry = house.clock.unix_ms() + HOUR_MS
        old = await house.key(expires_at_ms=expiry)
        done = await house.rotate(old.record.key_id, grace=timedelta(days=30))
        assert expiry == done.old.grace_until_ms == done.new.record.expires_at_ms

    async def test_without_grace_the_old_key_is_revoked(self, house: House) -> None:
        """One transaction: there is no moment without a working key, and none with both."""
        old = await house.key()
        async with house.process() as process:
            await process.authenticate(old.secret.presented)
            done = await house.rotate(old.record.key_id, grace=timedelta())
            assert KeyState.REVOKED is done.old.state
            await until(lambda: process.warm(old.secret.presented) is None)
            assert Reason.REVOKED is await reason_of(process, old)
            assert await reason_of(process, done.new) is None

    async def test_a_second_time_names_the_successor_and_changes_nothing(
        self, house: House
    ) -> None:
        """S1:391: a script that runs twice must not store an empty secret."""
        old = (await house.key()).record
        first = await house.rotate(old.key_id, grace=HOUR)
        before = await house.record(old.key_id)
        with pytest.raises(AlreadyRotated, match=first.new.record.key_id) as refused:
            await house.rotate(old.key_id, grace=timedelta(days=9))
        assert first.new.record.key_id == refused.value.successor_id
        assert before == await house.record(old.key_id)

    async def test_of_many_at_once_one_makes_the_successor(self, house: House) -> None:
        """A double click, two operators, a retried job: one successor."""
        old = (await house.key()).record
        answers = await asyncio.gather(
            *(outcome(house.rotate(old.key_id, grace=HOUR)) for _ in range(8))
        )
        refused = [each for each in answers if isinstance(each, AlreadyRotated)]
        assert 7 == len(refused)
        (successor,) = {each.successor_id for each in refused}
        assert successor == (await house.record(old.key_id)).successor_id

    async def test_a_lost_secret_is_replaced_by_revoking_the_successor(self, house: House) -> None:
        """The way out that the error names."""
        old = (await house.key()).record
        lost = (await house.rotate(old.key_id)).new.record
        await revoke_key(house.db, house.tenant_id, lost.key_id)
        again = await house.rotate(old.key_id)
        assert again.new.record.key_id == (await house.record(old.key_id)).successor_id
        assert again.new.record.first_key_id == old.key_id

    async def test_a_key_that_ended_or_is_not_there_is_refused(self, house: House) -> None:
        """404 for what is foreign, 409 for what is over, and a name for what cannot be meant."""
        expired = (await house.key(expires_at_ms=house.clock.unix_ms() + 1000)).record.key_id
        revoked = (await house.key()).record.key_id
        mine = (await house.key()).record.key_id
        await revoke_key(house.db, house.tenant_id, revoked)
        house.clock.ahead_ms = 2000
        for key_id in (expired, revoked):
            with pytest.raises(KeyEnded):
                await house.rotate(key_id)
        for wrong, param in (
            ({"grace": timedelta(days=91)}, "grace"),
            ({"grace": timedelta(seconds=-1)}, "grace"),
            ({"asker": Asker("ops", " ")}, "reason"),
            ({"asker": Asker("", "why")}, "author"),
        ):
            with pytest.raises(Invalid) as refused:
                await house.rotate(mine, **wrong)  # type: ignore[arg-type]  # wrong on purpose
            assert param == refused.value.param
        house.tenant_id = (await create_tenant(house.db, house.ids, "other")).tenant_id
        for key_id in (mine, "x", ""):
            with pytest.raises(NotFound):
                await house.rotate(key_id)


class TestWhatNeverComesBack:
    async def test_a_key_revoked_in_its_grace_stays_revoked(self, house: House) -> None:
        """LiteLLM #25553, #9820: nothing that rotation writes says active again."""
        old = await house.key()
        async with house.process() as process:
            await process.authenticate(old.secret.presented)
            await house.rotate(old.record.key_id)
            revoking = revoke_key(house.db, house.tenant_id, old.record.key_id)
            await asyncio.gather(revoking, outcome(house.rotate(old.record.key_id)))
            await until(lambda: process.warm(old.secret.presented) is None)
            assert Reason.REVOKED is await reason_of(process, old)
        assert KeyState.REVOKED is (await house.record(old.record.key_id)).state

    async def test_rotating_and_revoking_at_once_end_in_no_working_old_key(
        self, house: House
    ) -> None:
        """Whichever comes first: the revocation holds."""
        for _ in range(10):
            old = await house.key()
            await asyncio.gather(
                outcome(house.rotate(old.record.key_id)),
                revoke_key(house.db, house.tenant_id, old.record.key_id),
            )
            assert KeyState.REVOKED is (await house.record(old.record.key_id)).state


class TestTheLimitsOfALine:
    async def test_a_budget_is_not_doubled_by_rotating(self, house: House) -> None:
        """Both keys hold the same limit, by the same id: one window for both."""
        old = await house.key()
        asked = NewLimit(Measure.USD, Holder.KEY, Span.MONTH, "5", subject=old.record.key_id)
        rule = await set_limit(house.db, house.clock, house.tenant_id, asked)
        done = await house.rotate(old.record.key_id)
        third = await house.rotate(done.new.record.key_id)
        async with house.process() as process:
            for key in (old, done.new, third.new):
                principal = await process.authenticate(key.secret.presented)
                assert [rule.limit_id] == [limit.limit_id for limit in principal.limits]

    async def test_a_limit_of_a_successor_is_one_of_its_line(self, house: House) -> None:
        """Whoever names the newest key changes the rule, and adds no second one."""
        old = await house.key()
        done = await house.rotate(old.record.key_id)
        ids = set()
        for key in (old.record, done.new.record):
            asked = NewLimit(Measure.USD, Holder.KEY, Span.MONTH, "5", subject=key.key_id)
            rule = await set_limit(house.db, house.clock, house.tenant_id, asked)
            ids.add((rule.limit_id, rule.subject))
        assert 1 == len(ids)
        assert {old.record.key_id} == {subject for _, subject in ids}


async def test_no_secret_is_kept_or_told(
    house: House, admin_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """P6: the new key and a code are in no table, rendering, log or error."""
    caplog.set_level(logging.DEBUG)
    old = await house.key()
    done = await house.rotate(old.record.key_id, asker=Asker("ops", "canary"))
    refused = await outcome(house.rotate(old.record.key_id))
    seen = everything_stored(admin_dsn) + repr(done) + repr(refused) + str(refused) + caplog.text
    assert "canary" in seen
    assert OPERATOR.author in seen
    secret = done.new.secret.reveal()
    for form in (secret, secret[15:41], secret.encode().hex()):
        assert form not in seen
