"""Security events: recorded with their change, read by whom they concern, never with a secret."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import meterr
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.core.events import (
    NOBODY,
    OPERATOR,
    Event,
    Follower,
    Kind,
    Source,
    Target,
    TargetKind,
    list_events,
    record,
)
from meterr.core.events.kinds import CATALOGUE
from meterr.core.events.model import canonical, text_told
from meterr.core.ids import unix_ms_of

A = "0199aaaa-0000-7000-8000-00000000000a"
B = "0199bbbb-0000-7000-8000-00000000000b"
SOMEBODY = "0199cccc-0000-7000-8000-00000000000c"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
KEY = "sk-meterr_live_" + "a" * 32


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, Role.APP) as opened:
        yield opened


def made(tenant_id: str | None, kind: Kind = Kind.KEY_CREATED) -> Event:
    return Event(kind, tenant_id, Source.user(SOMEBODY, "2001:db8::1"), Target(TargetKind.KEY, B))


async def recorded(db: Database, *events: Event) -> list[str]:
    """Record each event in a transaction of its own and return their ids."""
    ids = []
    for event in events:
        async with db.transaction() as connection:
            ids.append((await record(connection, event)).event_id)
    return ids


class TestTheCatalogue:
    def test_every_kind_says_what_it_means(self) -> None:
        """Closed: a kind without an entry, or an entry without a kind, is a slip."""
        assert set(Kind) == set(CATALOGUE)
        assert all(entry.means.endswith(".") for entry in CATALOGUE.values())

    def test_no_kind_is_promised_that_nothing_records(self) -> None:
        """By its name in the code, or by its text in the triggers."""
        package = Path(meterr.__file__).parent
        schema = (package / "schema" / "schema.sql").read_text()
        code = "".join(
            path.read_text() for path in package.rglob("*.py") if path.name != "kinds.py"
        )
        assert [] == [k for k in Kind if f"Kind.{k.name}" not in code and f"'{k}'" not in schema]

    def test_no_detail_is_recorded_that_the_catalogue_does_not_list(self) -> None:
        """P6: there is no field for a prompt, a header or a key to go into."""
        with pytest.raises(ValueError, match="no detail called"):
            Event(Kind.KEY_CREATED, A, detail={"secret": "x"})

    @given(st.text())
    def test_a_text_is_short_printable_and_names_nobody(self, text: str) -> None:
        """P6: total, whatever somebody typed as a reason."""
        told = text_told(text)
        assert len(told) <= 200
        assert told.isprintable()
        assert "@" not in told

    @pytest.mark.parametrize(
        "secret",
        [
            KEY,
            "anna@example.com",
            "meterr_refresh_" + "x" * 43,
            "eyJ" + "a" * 40,
            "AKIA" + "Q" * 16,
        ],
    )
    def test_a_secret_in_a_reason_is_taken_out(self, secret: str) -> None:
        """P6: reasons are typed by people, who paste."""
        for text in (secret, f"it was {secret}, sorry", "x" * 195 + f" {secret}"):
            assert secret not in text_told(text)

    def test_an_ipv6_client_is_its_network_and_an_ipv4_one_itself(self) -> None:
        """An attacker has a /64 for nothing; counting its addresses would count nothing."""
        assert "2001:db8::/64" == Source.stranger("2001:db8::dead").network
        assert "192.0.2.7" == Source.stranger("::ffff:192.0.2.7").network
        assert ("", "unknown") == (Source.stranger("").network, Source.stranger("unix").network)


class TestRecording:
    async def test_an_event_is_there_exactly_when_the_change_is(self, db: Database) -> None:
        """DESIGN 3: in one transaction with what it reports, so neither is alone."""
        with pytest.raises(psycopg.errors.DivisionByZero):
            await self._record_and_fail(db)
        await recorded(db, made(A, Kind.KEY_REVOKED))

        page = await list_events(db, A, since=BEGINNING)

        assert ["key.revoked"] == [event.kind for event in page.events]

    async def _record_and_fail(self, db: Database) -> None:
        async with db.transaction() as connection:
            await record(connection, made(A))
            await connection.execute("select 1 / 0")

    async def test_what_is_read_is_what_was_recorded(self, db: Database) -> None:
        """P7: one canonical text, and its time is the time in its id."""
        event = Event(
            Kind.BREAK_GLASS_USED,
            A,
            Source.user(SOMEBODY, "192.0.2.1"),
            Target(TargetKind.TENANT, A),
            {"reason": 'line\nbreak "ü" \u2028', "permission": "tenant:key:read"},
        )
        ids = await recorded(db, event)

        (row,) = (await list_events(db, A, since=BEGINNING)).events

        assert ids == [row.event_id]
        assert unix_ms_of(row.event_id) == round(row.at.timestamp() * 1000)
        body = json.loads(canonical(row))
        assert {"reason": 'line break "ü"  ', "permission": "tenant:key:read"} == body["detail"]
        assert ("user", SOMEBODY, "192.0.2.1") == (row.actor_kind, row.actor_id, row.network)
        assert ("warning", "done", A) == (row.severity, row.outcome, row.tenant_id)
        assert (
            canonical(row)
            == json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        )

    @pytest.mark.parametrize(
        "statement",
        [
            "insert into meterr.security_event select * from meterr.security_event",
            "update meterr.security_event set kind = 'key.created'",
            "delete from meterr.security_event",
            "truncate meterr.security_event",
        ],
    )
    @pytest.mark.parametrize("role", [Role.APP, Role.IDENTITY, Role.DRAIN, Role.AUTH])
    async def test_nobody_changes_what_was_recorded(
        self, db: Database, database_url: str, role: Role, statement: str
    ) -> None:
        """P7: append-only by grants, and no row whose time or id somebody chose."""
        await recorded(db, made(A))
        async with Database.open(database_url, role, pool_size_max=1) as other:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with other.tenant_transaction(A) as connection:
                    await connection.execute(statement)

    async def test_the_role_of_people_records_and_reads_nothing(
        self, db: Database, database_url: str
    ) -> None:
        """Least privilege: it says what happened to accounts, and sees no tenant's events."""
        async with Database.open(database_url, Role.IDENTITY, pool_size_max=1) as people:
            await recorded(people, Event(Kind.USER_DISABLED, None, OPERATOR))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await list_events(people, None, since=BEGINNING)
        assert 1 == len((await list_events(db, None, since=BEGINNING)).events)


class TestReading:
    async def test_a_tenant_sees_its_own_and_nobody_the_installations(self, db: Database) -> None:
        """P4: row-level security; the installation's stand under the nil id."""
        await recorded(db, made(A), made(B), Event(Kind.KEYRING_ROTATED, None, OPERATOR))

        for tenant_id, kinds in ((A, ["key.created"]), (None, ["keyring.rotated"])):
            page = await list_events(db, tenant_id, since=BEGINNING)
            assert kinds == [event.kind for event in page.events]
            assert {tenant_id} == {event.tenant_id for event in page.events}

    async def test_pages_hold_each_event_once_newest_first(self, db: Database) -> None:
        """Keyset pages: also with many events in one millisecond."""
        async with db.transaction() as connection:
            ids = [(await record(connection, made(A))).event_id for _ in range(25)]
        found: list[str] = []
        after = None
        while True:
            page = await list_events(db, A, since=BEGINNING, after=after, limit=7)
            found += [event.event_id for event in page.events]
            after = page.after
            if after is None:
                break

        assert ids[::-1] == found
        assert {"7"} == {each[14] for each in found}
        assert {each[19] for each in found} <= set("89ab")

    async def test_kinds_and_subjects_choose(self, db: Database) -> None:
        """``key`` is every kind of ``key.…``."""
        await recorded(db, made(A), made(A, Kind.KEY_REVOKED), made(A, Kind.TENANT_CHANGED))

        for kinds, n in ((("key",), 2), (("key.revoked", "tenant"), 2), ((), 3), (("member",), 0)):
            page = await list_events(db, A, since=BEGINNING, kinds=kinds)
            assert n == len(page.events), kinds

    @pytest.mark.parametrize(
        "asked",
        [{"kinds": ["nothing"]}, {"after": "x"}, {"after": A}, {"limit": 0}, {"limit": 1001}],
    )
    async def test_what_cannot_be_meant_is_refused(self, db: Database, asked: dict) -> None:
        """Issue 4: a clear, boring error."""
        if asked == {"after": A}:
            asked = {"after": A.upper()}
        with pytest.raises(Invalid):
            await list_events(db, A, since=BEGINNING, **asked)

    async def test_following_gives_each_event_once_also_those_that_commit_late(
        self, db: Database
    ) -> None:
        """An event has the time of its statement; its transaction may end after a younger one's."""
        now = datetime.now(UTC)
        follower = Follower(db, A, now - timedelta(seconds=30))
        async with db.transaction() as slow:
            late = await record(slow, made(A, Kind.KEY_REVOKED))
            first = await recorded(db, made(A))
            assert first == [event.event_id for event in await follower.poll(now)]
        assert [late.event_id] == [event.event_id for event in await follower.poll(now)]
        assert [] == await follower.poll(now)


class TestDays:
    async def test_days_are_made_ahead_and_events_that_waited_move(
        self, database_url: str, db: Database, admin_dsn: str
    ) -> None:
        """As for the ledger: no date is refused, and nothing stays in the default partition."""
        await recorded(db, made(A))
        with psycopg.connect(admin_dsn) as connection:
            count = "select count(*) from meterr.security_event_default"
            assert (1,) == connection.execute(count).fetchone()
            connection.execute("set role meterr_drain")
            ensure = "select meterr.ensure_event_partitions(current_date - 1, current_date + 1)"
            assert (3,) == connection.execute(ensure).fetchone()
            assert (0,) == connection.execute(ensure).fetchone()
            connection.execute("reset role")
            assert (0,) == connection.execute(count).fetchone()
        assert 1 == len((await list_events(db, A, since=BEGINNING)).events)

    async def test_days_younger_than_half_a_year_cannot_be_dropped(self, admin_dsn: str) -> None:
        """P7: whoever gets hold of the drain's role cannot remove its traces."""
        with psycopg.connect(admin_dsn) as connection:
            connection.execute("set role meterr_drain")
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                connection.execute("select meterr.drop_event_day(current_date - 179)")

    async def test_an_old_day_goes_whole(self, admin_dsn: str) -> None:
        """Retention drops partitions; the next day stays."""
        with psycopg.connect(admin_dsn) as connection:
            connection.execute("set role meterr_drain")
            connection.execute(
                "select meterr.ensure_event_partitions(current_date - 200, current_date - 199)"
            )
            drop = "select meterr.drop_event_day(current_date - 199) = current_date - 200"
            assert (True,) == connection.execute(drop).fetchone()
            assert (None,) == connection.execute(drop).fetchone()


def test_nobody_by_default() -> None:
    """An event without a source names nobody rather than somebody."""
    assert NOBODY == Event(Kind.KEY_CREATED, A).source
