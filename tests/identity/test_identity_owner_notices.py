"""Notices: whom an event concerns is told of it, once, in the API and by mail."""

import asyncio
import re
import secrets
import smtplib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.db import Database, Role
from meterr.core.errors import Invalid, NotFound
from meterr.core.events import OPERATOR, Event, Kind, Recorded, record
from meterr.core.policy import Role as MemberRole
from meterr.identity import create_key
from meterr.identity.keyring import Keyring
from meterr.identity.notices import (
    Notice,
    list_notices,
    mark_read,
    tell_keepers,
    tell_person,
)
from meterr.identity.notices.letter import message
from meterr.identity.notices.model import Line
from meterr.identity.notices.sender import NoticeSender
from meterr.identity.notices.smtp import HUNG_UP_MAX, MailRefused, Smtp
from meterr.identity.notices.text import TEXTS
from support.certificates import Authority
from support.mail_server import MailServer, open_mail_server
from support.people import PeopleHouse

SENDER = "meterr@example.com"
HOSTILE = "prod\r\nBcc: everybody@example.com\r\n\r\n<script>"
AT = datetime(2026, 11, 23, tzinfo=UTC)


class Elsewhere(Smtp):
    """A server that does not run on this machine, as far as its client can tell."""

    def _is_here(self, server: smtplib.SMTP) -> bool:
        return False


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def event_of(db: Database, kind: Kind, tenant_id: str | None) -> Recorded:
    async with db.transaction() as connection:
        return await record(connection, Event(kind, tenant_id, OPERATOR))


async def tell(house: PeopleHouse, user_id: str, about: str = "") -> Recorded:
    event = await event_of(house.db, Kind.PASSWORD_CHANGED, None)
    async with house.db.transaction() as connection:
        await tell_person(connection, event, user_id, about)
    return event


async def key_of(house: PeopleHouse, name: str, owner_user_id: str | None = None) -> str:
    made = await create_key(
        house.app,
        Keyring.from_secrets(SecretStr(secrets.token_hex(32))),
        house.ids,
        house.clock,
        house.tenant_id,
        name=name,
        scopes=["chat"],
        owner_user_id=owner_user_id,
    )
    return made.record.key_id


async def notices(house: PeopleHouse, user_id: str) -> tuple[Notice, ...]:
    return (await list_notices(house.db, user_id)).notices


def sender(
    house: PeopleHouse,
    server: MailServer,
    told: list[str],
    *,
    url: str = "smtp://127.0.0.1",
    ca_file: Path | None = None,
) -> NoticeSender:
    smtp = Smtp.parse(f"{url}:{server.port}", ca_file)
    return NoticeSender(
        house.db, lambda: smtp, sender=SENDER, origin="https://m.test", tell=told.append
    )


def make_due(admin_dsn: str, sql: str = "mail_due_at = now()") -> None:
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(f"update meterr.notice set {sql}")


def tries(admin_dsn: str) -> list[tuple[int, bool]]:
    """Return of what was not sent how often it was tried, and whether it is due."""
    with psycopg.connect(admin_dsn) as connection:
        return connection.execute(
            "select mail_attempts, mail_due_at <= now() from meterr.notice "
            "where mail_due_at is not null order by 1, 2"
        ).fetchall()


def written(kind: str, to: str) -> EmailMessage:
    return message([Line(AT, kind, "prod", 3)], to=to, sender=SENDER, origin=None)


class TestWhoIsTold:
    async def test_the_owner_of_a_key_or_the_administrators_where_nobody_owns_it(
        self, house: PeopleHouse
    ) -> None:
        """Issue 4, item 3: owners notified, each person once, however many keys it is about."""
        admin = (await house.person("admin@example.com", MemberRole.ADMIN)).user.user_id
        ada = (await house.person("ada@example.com")).user.user_id
        bob = (await house.person("bob@example.com")).user.user_id
        keys = [await key_of(house, f"ada {n}", ada) for n in range(3)]
        keys.append(await key_of(house, "nobody's"))
        event = await event_of(house.app, Kind.KEY_REVOKED, house.tenant_id)
        for _ in range(2):
            async with house.app.tenant_transaction(house.tenant_id) as connection:
                await tell_keepers(connection, event, keys)

        assert [("ada 0", 3)] == [(n.about, n.many) for n in await notices(house, ada)]
        assert [("nobody's", 1)] == [(n.about, n.many) for n in await notices(house, admin)]
        assert () == await notices(house, bob)

    async def test_what_people_are_not_told_of_is_refused(self, house: PeopleHouse) -> None:
        """A notice without a text would be an empty letter."""
        event = await event_of(house.db, Kind.TENANT_CREATED, None)
        async with house.db.transaction() as connection:
            with pytest.raises(ValueError, match="has no text"):
                await tell_person(connection, event, str(uuid.uuid4()))

    def test_every_trigger_that_tells_somebody_has_something_to_say(self) -> None:
        """A kind that the database tells of and no text knows would be a letter to nobody."""
        schema = files("meterr.schema").joinpath("schema.sql").read_text()
        told = set(re.findall(r"notify_(?:person|keepers)\([^;]*?'([a-z_]+\.[a-z_]+)'", schema))
        told |= set(re.findall(r"record_account\('([a-z_.]+)', '[^']*', 'told'\)", schema))
        assert len(told) > 8
        assert told <= set(TEXTS)

    async def test_one_reads_ones_own_in_pages_and_marks_them(self, house: PeopleHouse) -> None:
        """P4: a notice is its person's; somebody else's is not there."""
        ada = (await house.person("ada@example.com")).user.user_id
        bob = (await house.person("bob@example.com")).user.user_id
        ids = [(await tell(house, ada)).event_id for _ in range(3)][::-1]

        first = await list_notices(house.db, ada, limit=2)
        rest = await list_notices(house.db, ada, after=first.after)
        assert sorted(ids) == sorted(n.event_id for n in (*first.notices, *rest.notices))
        assert None is rest.after

        with pytest.raises(NotFound):
            await mark_read(house.db, bob, ids[0])
        for _ in range(2):
            await mark_read(house.db, ada, ids[0])
        unread = await list_notices(house.db, ada, unread=True)
        assert set(ids[1:]) == {n.event_id for n in unread.notices}
        for asked in ({"limit": 0}, {"after": "x"}):
            with pytest.raises(Invalid):
                await list_notices(house.db, ada, **asked)

    @pytest.mark.parametrize("role", [Role.APP, Role.AUTH, Role.DRAIN])
    async def test_only_the_role_of_people_reads_notices(
        self, house: PeopleHouse, role: Role
    ) -> None:
        """Least privilege: who is told what is nobody else's business."""
        async with Database.open(house.dsn, role, pool_size_max=1) as other:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await list_notices(other, str(uuid.uuid4()))


class TestMail:
    @pytest.mark.parametrize("way", ["smtps", "starttls"])
    async def test_a_notice_is_sent_over_verified_tls_with_a_login(
        self, house: PeopleHouse, admin_dsn: str, tmp_path: Path, way: str
    ) -> None:
        """Issue 4: owners notified; the server's certificate is verified before we log in."""
        authority = Authority.create(tmp_path)
        context = authority.server_context("IP:127.0.0.1")
        ada = (await house.person("ada@example.com")).user.user_id
        await tell(house, ada)
        tls = {"tls": context} if way == "smtps" else {"starttls": context}
        url = f"{'smtps' if way == 'smtps' else 'smtp'}://me:p%40ss@127.0.0.1"
        told: list[str] = []
        async with open_mail_server(login=("me", "p@ss"), **tls) as server:
            strangers = sender(house, server, told, url=url)
            assert 0 == await strangers.round()
            assert ["SSLCertVerificationError"] == told
            make_due(admin_dsn)
            trusting = sender(house, server, told, url=url, ca_file=authority.ca_file)
            assert 1 == await trusting.round()
            assert 0 == await trusting.round()

        (((to,), mail),) = server.letters
        assert "ada@example.com" == to
        assert ("meterr: Your password was changed", SENDER) == (mail["Subject"], mail["From"])
        assert "https://m.test" in mail.get_content()
        assert not server.in_clear

    async def test_nothing_is_said_in_clear_to_a_server_that_is_not_here(self) -> None:
        """A server that does not offer STARTTLS gets nothing, unless it is this machine."""
        mail = written(Kind.KEY_LEAKED, "ada@example.com")
        async with open_mail_server() as server:
            there = Elsewhere("127.0.0.1", server.port, implicit_tls=False)
            with pytest.raises(smtplib.SMTPNotSupportedError):
                await asyncio.to_thread(lambda: list(there.send([mail])))
        assert [] == server.letters

    async def test_names_that_people_gave_reach_no_header(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """No header injection, whatever the name of a key or the stored address is."""
        ada = (await house.person("ada@example.com")).user.user_id
        bob = (await house.person("bob@example.com")).user.user_id
        await tell(house, ada, HOSTILE)
        await tell(house, bob)
        with psycopg.connect(admin_dsn) as connection:
            connection.execute("update meterr.notice set about = %s where about <> ''", [HOSTILE])
            connection.execute(
                "update meterr.user_account set shown_email = %s where email like 'bob%%'",
                ["bob@example.com\r\nBcc: everybody@example.com"],
            )
        told: list[str] = []
        async with open_mail_server() as server:
            assert 1 == await sender(house, server, told).round()

        ((recipients, mail),) = server.letters
        assert ["ada@example.com"] == recipients
        assert {"Subject", "From", "To", "Auto-Submitted"} == set(mail.keys()) - {
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        }
        assert "Bcc: everybody" not in [line[:14] for line in mail.get_content().splitlines()]
        assert ["ValueError"] == told

    @pytest.mark.parametrize(
        "address",
        ["a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "Ada <a@b.example>"],
    )
    def test_a_letter_has_one_recipient(self, address: str) -> None:
        """What the library would read as two addresses is none."""
        with pytest.raises(ValueError, match=r"address|linefeed|newline|carriage"):
            written(Kind.KEY_LEAKED, address)

    @pytest.mark.parametrize("kind", list(TEXTS))
    def test_every_text_says_what_and_what_to_do(self, kind: str) -> None:
        """Plain text, and nothing in it that must stay secret."""
        content = written(kind, "ada@example.com").get_content()
        assert "When: 2026-11-23T00:00:00.000Z" in content
        assert "What: prod and 2 more" in content

    async def test_a_letter_that_was_not_taken_is_due_again_and_one_that_was_is_not(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """At least once: also when the server hangs up after it took the letter."""
        ada = (await house.person("ada@example.com")).user.user_id
        await tell(house, ada)
        told: list[str] = []
        async with open_mail_server() as server:
            server.hangs_up_after = 1
            assert 0 == await sender(house, server, told).round()
            server.hangs_up_after = None
            assert 0 == await sender(house, server, told).round()  # not due yet
            make_due(admin_dsn)
            assert 1 == await sender(house, server, told).round()
            make_due(admin_dsn, "at = at")
            assert 0 == await sender(house, server, told).round()
        assert 2 == len(server.letters)

    async def test_a_recipient_that_does_not_exist_holds_up_nobody(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """550 is for good; 450 is tried again; both leave the others alone."""
        for name in ("gone", "full", "ada"):
            user = (await house.person(f"{name}@example.com")).user.user_id
            await tell(house, user)
        told: list[str] = []
        async with open_mail_server() as server:
            server.refuses = {"gone@example.com": "550 no", "full@example.com": "450 later"}
            assert 1 == await sender(house, server, told).round()
            server.refuses.clear()
            make_due(admin_dsn, "mail_due_at = now() where mail_due_at is not null")
            assert 1 == await sender(house, server, told).round()
        assert ["ada@example.com", "full@example.com"] == [to for (to,), _ in server.letters]

    async def test_a_recipient_at_which_the_server_hangs_up_holds_up_nobody(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """421 ends a connection, not the round: everybody else gets theirs over another one."""
        names = ["poison", *(f"p{n}" for n in range(5))]
        for name in names:
            user = (await house.person(f"{name}@example.com")).user.user_id
            await tell(house, user)
        told: list[str] = []
        async with open_mail_server() as server:
            server.refuses["poison@example.com"] = "421 4.7.0 later"
            assert 5 == await sender(house, server, told).round()

        assert {f"{name}@example.com" for name in names[1:]} == {to for (to,), _ in server.letters}
        assert ["SMTPRecipientsRefused"] == told
        assert [(1, False)] == tries(admin_dsn)

    async def test_only_what_was_tried_is_due_later_and_later(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """A server that wants nothing is left alone after a few; the rest waits no hours for it."""
        for n in range(5):
            user = (await house.person(f"p{n}@example.com")).user.user_id
            await tell(house, user)
        async with open_mail_server() as server:
            pass
        assert 0 == await sender(house, server, []).round()
        assert [(0, False)] * 5 == tries(admin_dsn)  # away: in a minute, as if never taken

        make_due(admin_dsn)
        async with open_mail_server() as server:
            server.refuses = {f"p{n}@example.com": "421 later" for n in range(5)}
            assert 0 == await sender(house, server, []).round()
        assert [(0, True)] * (5 - HUNG_UP_MAX) + [(1, False)] * HUNG_UP_MAX == tries(admin_dsn)

    async def test_one_of_all_processes_sends(self, house: PeopleHouse) -> None:
        """An elected sender: whoever comes while another one sends has nothing to do."""
        ada = (await house.person("ada@example.com")).user.user_id
        await tell(house, ada)
        async with (
            open_mail_server() as server,
            Database.open(house.dsn, Role.IDENTITY, pool_size_max=1) as other,
            other.session() as holder,
        ):
            lock = "select pg_advisory_lock(hashtextextended('meterr.notices', 0))"
            await holder.execute(lock)
            assert 0 == await sender(house, server, []).round()
            await holder.execute(lock.replace("advisory_lock", "advisory_unlock"))
            assert 1 == await sender(house, server, []).round()

    async def test_what_is_old_when_mail_is_set_up_is_not_sent(
        self, house: PeopleHouse, admin_dsn: str
    ) -> None:
        """Nobody gets a year of mail on the day that a server is configured."""
        ada = (await house.person("ada@example.com")).user.user_id
        await tell(house, ada)
        make_due(admin_dsn, "at = now() - interval '4 days'")
        async with open_mail_server() as server:
            assert 0 == await sender(house, server, []).round()
        assert [] == server.letters

    @pytest.mark.parametrize(
        "url",
        ["http://x", "smtps://", "mail.example.com", "smtp://x:99999", "smtps://x/path", ""],
    )
    def test_what_is_no_mail_server_is_refused_without_its_text(self, url: str) -> None:
        """P6: the setting holds a password."""
        with pytest.raises(MailRefused) as refused:
            Smtp.parse(url)
        assert "write smtps://" in str(refused.value)

    def test_a_password_is_in_no_rendering(self) -> None:
        """P6."""
        assert "hunter2" not in repr(Smtp.parse("smtps://me:hunter2@mail.example.com"))
