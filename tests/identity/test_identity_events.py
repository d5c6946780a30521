"""Every change of keys, people and sessions is recorded by itself, with who made it."""

from datetime import UTC, datetime, timedelta

import pytest

from meterr import identity
from meterr.core.clock import SystemClock
from meterr.core.db import Database
from meterr.core.db import Role as DatabaseRole
from meterr.core.events import OPERATOR as BY_OPERATOR
from meterr.core.events import Kind, Source, list_events
from meterr.core.events.kinds import CATALOGUE
from meterr.core.events.model import EventRow
from meterr.core.policy import Role
from meterr.identity.factors import remove_totp, replace_recovery_codes, use_recovery_code
from meterr.identity.leaks import revoke_leaked
from meterr.identity.notices import list_notices
from meterr.identity.passwords import change_password
from meterr.identity.people import disable_user, enable_user, set_role
from meterr.identity.people.service import issue_reset
from meterr.identity.rotation import collect, issue_codes, mark_due, rotate_all, rotate_key
from meterr.identity.rotation.model import RotationPolicy
from meterr.identity.rotation.schedule import set_policy
from support.identity import OPERATOR as ASKER
from support.identity import House as Keys
from support.people import HERE, OPERATOR, PASSWORD, WRONG, PeopleHouse
from support.rows import row_of

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


async def seen(db: Database, tenant_id: str | None, *kinds: str) -> list[EventRow]:
    """Return what was recorded, oldest first; each row agrees with the catalogue."""
    page = await list_events(db, tenant_id, since=BEGINNING, kinds=kinds, limit=1000)
    for row in page.events:
        entry = CATALOGUE[Kind(row.kind)]
        assert (entry.severity, entry.outcome) == (row.severity, row.outcome), row.kind
        assert row.detail.keys() <= set(entry.details), row.kind
    return list(page.events)[::-1]


async def kinds_of(db: Database, tenant_id: str | None, *kinds: str) -> list[str]:
    return [row.kind for row in await seen(db, tenant_id, *kinds)]


class TestKeys:
    async def test_a_key_is_made_rotated_and_revoked_on_record(self, keys: Keys) -> None:
        """Issue 4, items 2 and 3; a successor is told of as such, not as a key out of nowhere."""
        old = (await keys.key()).record
        rotated = await rotate_key(
            keys.db, keys.keyring, keys.ids, keys.clock, keys.tenant_id, old.key_id,
            grace=timedelta(hours=1), asker=ASKER,
        )  # fmt: skip
        new = rotated.new.record.key_id
        await identity.revoke_key(keys.db, keys.tenant_id, new)
        await identity.revoke_key(keys.db, keys.tenant_id, new)

        found = await seen(keys.db, keys.tenant_id, "key")

        assert [
            ("key.created", old.key_id),
            ("key.rotated", old.key_id),
            ("key.revoked", new),
        ] == [(row.kind, row.target_id) for row in found]
        assert {"way": "asked", "successor": new} == found[1].detail

    async def test_a_rotation_without_grace_is_one_event(self, keys: Keys) -> None:
        """The old key is revoked by it; that is what rotating without grace means."""
        old = (await keys.key()).record.key_id
        await rotate_key(
            keys.db, keys.keyring, keys.ids, keys.clock, keys.tenant_id, old,
            grace=timedelta(), asker=ASKER,
        )  # fmt: skip
        assert ["key.created", "key.rotated"] == await kinds_of(keys.db, keys.tenant_id, "key")

    async def test_an_emergency_is_one_event_a_tenant_and_one_notice_a_person(
        self, people: PeopleHouse
    ) -> None:
        """Issue 4, item 3: owners notified; a thousand keys are not a thousand letters."""
        ada = (await people.person("ada@example.com")).user.user_id
        keyring = Keys(people.dsn, people.app).keyring
        for n in range(3):
            await identity.create_key(
                people.app, keyring, people.ids, SystemClock(), people.tenant_id,
                name=f"k{n}", scopes=["chat"], owner_user_id=ada,
            )  # fmt: skip
        await rotate_all(people.app, people.ids, tenant_id=None, asker=ASKER, dry_run=True)
        done = await rotate_all(people.app, people.ids, tenant_id=None, asker=ASKER)
        pages = issue_codes(
            people.app, keyring, people.ids, SystemClock(), people.tenant_id,
            emergency_id=done.emergency_id, asker=ASKER,
        )  # fmt: skip
        codes = [handover.code async for page in pages for handover in page]
        await collect(people.app, keyring, SystemClock(), codes[0].reveal())

        found = await seen(people.app, people.tenant_id, "key")

        assert ["key.created"] * 3 + ["key.emergency", "key.codes_issued", "key.rotated"] == [
            row.kind for row in found
        ]
        assert {"emergency": done.emergency_id, "keys": 3, "codes": 0} == found[3].detail
        assert {"codes": 3} == found[4].detail
        told = (await list_notices(people.db, ada)).notices
        assert [("key.rotated", 1), ("key.emergency", 3)] == [(n.kind, n.many) for n in told]

    async def test_keys_that_are_due_are_one_event_a_round(self, keys: Keys) -> None:
        """Scheduled rotation, with notice: the policy acts, not a person."""
        for _ in range(2):
            await keys.key()
        day = timedelta(days=1)
        policy = RotationPolicy(None, 90 * day, 89 * day, day, "ops")
        await set_policy(keys.db, keys.clock, keys.tenant_id, policy)
        keys.clock.ahead_ms = 5 * 24 * 60 * 60 * 1000
        await mark_due(keys.db, keys.clock, keys.tenant_id)
        await mark_due(keys.db, keys.clock, keys.tenant_id)

        found = await seen(keys.db, keys.tenant_id, "key.due", "key.policy_changed")

        assert ["key.policy_changed", "key.due"] == [row.kind for row in found]
        assert ("system", {"keys": 2}) == (found[1].actor_kind, found[1].detail)

    async def test_whoever_keeps_a_key_that_is_due_is_told_once_and_in_time(
        self, people: PeopleHouse
    ) -> None:
        """Issue 4, item 3: by policy, with notice, to its owner or to the administrators."""
        admin = (await people.person("admin@example.com", Role.ADMIN)).user.user_id
        ada = (await people.person("ada@example.com")).user.user_id
        bob = (await people.person("bob@example.com")).user.user_id
        keyring = Keys(people.dsn, people.app).keyring
        for name, owner in (("ada's", ada), ("ada's other", ada), ("nobody's", None)):
            await identity.create_key(
                people.app, keyring, people.ids, SystemClock(), people.tenant_id,
                name=name, scopes=["chat"], owner_user_id=owner,
            )  # fmt: skip
        day, began_ms = timedelta(days=1), SystemClock().unix_ms()
        policy = RotationPolicy(None, 90 * day, 14 * day, 7 * day, "ops")
        await set_policy(people.app, people.clock, people.tenant_id, policy)

        async def told(days: int) -> dict[str, list[tuple[str, int]]]:
            people.clock.now_ms = began_ms + days * 86_400_000
            await mark_due(people.app, people.clock, people.tenant_id)
            found = {who: await list_notices(people.db, who) for who in (admin, ada, bob)}
            return {
                who: [(n.about, n.many) for n in page.notices if n.kind == "key.due"]
                for who, page in found.items()
            }

        assert {admin: [], ada: [], bob: []} == await told(75)
        expected = {admin: [("nobody's", 1)], ada: [("ada's", 2)], bob: []}
        assert expected == await told(77)
        assert expected == await told(85)

    async def test_who_acts_is_on_record_and_only_within_the_block(self, keys: Keys) -> None:
        """Said once, where a request or a command is let in."""
        somebody = Source.user(keys.ids.new(), "2001:db8::1")
        with somebody.acts():
            await keys.key()
        with BY_OPERATOR.acts():
            await keys.key()
        await keys.key()

        found = await seen(keys.db, keys.tenant_id, "key")

        assert [
            ("user", somebody.actor_id, "2001:db8::/64"),
            ("operator", "", ""),
            ("system", "", ""),
        ] == [(row.actor_kind, row.actor_id, row.network) for row in found]

    async def test_a_leaked_key_is_critical_each_time_it_is_found(self, keys: Keys) -> None:
        """Issue 4, item 11: revoke, notify, event; on record before it is revoked."""
        key = await keys.key()
        text = key.secret.reveal().encode()
        async with Database.open(keys.dsn, DatabaseRole.AUTH) as db_auth:
            for dry_run in (True, False, False):
                await revoke_leaked(
                    db_auth, keys.db, keys.keyring, [text + b" " + text], dry_run=dry_run
                )

        found = await seen(keys.db, keys.tenant_id, "key")

        assert ["key.created", "key.leaked", "key.revoked", "key.leaked"] == [
            row.kind for row in found
        ]
        assert {"occurrences": 2, "was_active": True} == found[1].detail
        assert {"occurrences": 2, "was_active": False} == found[3].detail
        assert text.decode() not in str(found)


class TestPeople:
    async def test_what_happens_to_a_member_is_the_tenants_to_see(
        self, people: PeopleHouse
    ) -> None:
        """Issue 4, item 1: role changes, on record and told to the person."""
        person = await people.person("ada@example.com")
        user_id = person.user.user_id
        await set_role(
            people.db, people.clock, by=OPERATOR, tenant_id=people.tenant_id, user_id=user_id,
            role=Role.ADMIN,
        )  # fmt: skip

        found = await seen(people.app, people.tenant_id, "member")

        assert ["member.invited", "member.joined", "member.role_changed"] == [
            row.kind for row in found
        ]
        assert {user_id} == {row.target_id for row in found[1:]}
        assert {"before": "user", "after": "admin"} == found[2].detail
        (notice,) = (await list_notices(people.db, user_id)).notices
        assert ("member.role_changed", "admin") == (notice.kind, notice.about)

    async def test_an_invitation_does_not_tell_whether_the_address_has_an_account(
        self, people: PeopleHouse
    ) -> None:
        """The id of an account says when it was made: an old one would be known by it."""
        elsewhere = await people.tenant("elsewhere")
        await people.person("ada@example.com", tenant_id=elsewhere)
        for email in ("ada@example.com", "nobody-at-all@example.com"):
            await people.invite(email)

        found = await seen(people.app, people.tenant_id, "member")

        assert [("member.invited", "tenant", people.tenant_id, {"role": "user"})] * 2 == [
            (row.kind, row.target_kind, row.target_id, row.detail) for row in found
        ]

    async def test_what_happens_to_an_account_is_the_installations_and_the_persons(
        self, people: PeopleHouse
    ) -> None:
        """Passwords, factors, recovery codes, links and switches; no address, no secret."""
        person = await people.person("ada@example.com")
        user_id = person.user.user_id
        await people.enrol(person)
        codes = await replace_recovery_codes(people.db, user_id)
        await use_recovery_code(
            people.db, people.throttle, people.clock, user_id=user_id, code=codes[0], address=HERE
        )
        await remove_totp(people.db, person)
        await change_password(
            people.db, people.hasher, people.throttle,
            user_id=user_id, current=PASSWORD, new=WRONG, address=HERE,
        )  # fmt: skip
        await issue_reset(people.db, people.clock, by=OPERATOR, user_id=user_id)
        await disable_user(people.db, people.clock, by=OPERATOR, user_id=user_id)
        await enable_user(people.db, people.clock, by=OPERATOR, user_id=user_id)

        found = await seen(people.app, None, "factor", "password", "user")

        assert [
            ("password.changed", {}),
            ("factor.added", {"factor": "totp"}),
            ("factor.added", {"factor": "recovery codes"}),
            ("factor.recovery_used", {"left": 9}),
            ("factor.removed", {"factor": "recovery codes"}),
            ("factor.removed", {"factor": "totp"}),
            ("password.changed", {}),
            ("password.reset_issued", {}),
            ("user.disabled", {}),
            ("user.enabled", {}),
        ] == [(row.kind, row.detail) for row in found]
        assert ("user", user_id) == (found[3].actor_kind, found[3].actor_id)
        assert "system" == found[-1].actor_kind
        told = [n.kind for n in (await list_notices(people.db, user_id)).notices][::-1]
        assert [row.kind for row in found][1:8] == told


async def test_a_change_that_is_rolled_back_leaves_no_trace(keys: Keys) -> None:
    """P7: an event is there exactly when the change is."""
    with pytest.raises(ZeroDivisionError):
        await _make_and_fail(keys)
    assert [] == await kinds_of(keys.db, keys.tenant_id, "key")


async def _make_and_fail(keys: Keys) -> None:
    row = row_of("api_key", keys.tenant_id)
    names = ", ".join(row)
    async with keys.db.tenant_transaction(keys.tenant_id) as connection:
        await connection.execute(
            f"insert into meterr.api_key ({names}) values ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )
        raise ZeroDivisionError
