"""How many letters one person gets, whatever happens: some alone, and one about all the rest."""

from collections import Counter
from collections.abc import AsyncIterator
from email.message import EmailMessage

import psycopg
import pytest

from meterr.core.events import OPERATOR, Event, Kind, record
from meterr.identity.notices import list_notices, tell_person
from meterr.identity.notices.sender import ALONE_MAX, LINES_MAX, NoticeSender
from meterr.identity.notices.smtp import Smtp
from support.mail_server import MailServer, open_mail_server
from support.people import PeopleHouse


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def person(house: PeopleHouse, name: str = "ada") -> str:
    return (await house.person(f"{name}@example.com")).user.user_id


async def tell(house: PeopleHouse, user_id: str, *kinds: Kind) -> None:
    """Tell somebody of an event of each kind, about its number."""
    for n, kind in enumerate(kinds):
        async with house.db.transaction() as connection:
            event = await record(connection, Event(kind, None, OPERATOR))
            await tell_person(connection, event, user_id, f"no. {n}")


async def sent(house: PeopleHouse, server: MailServer) -> list[EmailMessage]:
    """Send whatever is due, and return what arrived just now."""
    before = len(server.letters)
    smtp = Smtp.parse(f"smtp://127.0.0.1:{server.port}")
    sender = NoticeSender(house.db, lambda: smtp, sender="m@example.com", origin=None, tell=print)
    while await sender.round():
        pass
    return [mail for _, mail in server.letters[before:]]


def an_hour_passes(admin_dsn: str) -> None:
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            """update meterr.notice n
                  set at = at - p.hour, mailed_at = mailed_at - p.hour,
                      mail_due_at = mail_due_at - p.hour
                 from (select interval '61 minutes' as hour) p"""
        )


def counted(mail: EmailMessage) -> dict[str, int]:
    """Return what a letter about many counts, by subject."""
    lines = (line.partition(" x ") for line in mail.get_content().splitlines())
    return {subject: int(times) for times, found, subject in lines if found and times.isdigit()}


async def test_what_is_more_than_ten_letters_an_hour_comes_in_one(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """Whoever may make keys for a colleague cannot flood the colleague's mailbox with them."""
    ada = await person(house)
    kinds = [Kind.KEY_REVOKED] * 40 + [Kind.KEY_ROTATED] * 3 + [Kind.PASSWORD_CHANGED]
    await tell(house, ada, *kinds)
    async with open_mail_server() as server:
        alone = await sent(house, server)
        assert [] == await sent(house, server)
        an_hour_passes(admin_dsn)
        (rest,) = await sent(house, server)
        an_hour_passes(admin_dsn)
        assert [] == await sent(house, server)

    assert ["meterr: An API key was revoked"] * ALONE_MAX == [mail["Subject"] for mail in alone]
    assert "meterr: 34 more notices" == rest["Subject"]
    assert {
        "An API key was revoked": 30,
        "An API key was rotated": 3,
        "Your password was changed": 1,
    } == counted(rest)
    told = [line for line in rest.get_content().splitlines() if ": no. " in line]
    assert LINES_MAX == len(told)
    assert "Your password was changed: no. 43" in told[0]
    assert "And 14 more; your notices in meterr have them all." in rest.get_content()
    page = await list_notices(house.db, ada, limit=200)
    assert Counter(kinds) == Counter(notice.kind for notice in page.notices)


async def test_the_rest_waits_an_hour_at_most_and_takes_along_what_comes_meanwhile(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """While one letter waits there are no others: neither ten more at the hour, nor one each."""
    ada = await person(house)
    await tell(house, ada, *[Kind.KEY_REVOKED] * (ALONE_MAX + 1))
    async with open_mail_server() as server:
        assert ALONE_MAX == len(await sent(house, server))
        await tell(house, ada, *[Kind.KEY_LEAKED] * 2)
        assert [] == await sent(house, server)
        an_hour_passes(admin_dsn)
        await tell(house, ada, Kind.KEY_DUE)
        (rest,) = await sent(house, server)
        assert 4 == sum(counted(rest).values())
        await tell(house, ada, *[Kind.KEY_REVOKED] * (ALONE_MAX - 1))
        assert ALONE_MAX - 1 == len(await sent(house, server))
        await tell(house, ada, Kind.KEY_REVOKED)
        assert [] == await sent(house, server)


async def test_one_person_s_flood_is_in_nobody_s_way(house: PeopleHouse) -> None:
    """Everybody's first letter goes before anybody's second, however long theirs wait already."""
    for n in range(6):
        await tell(house, await person(house, f"flooded{n}"), *[Kind.KEY_REVOKED] * 20)
    await tell(house, await person(house, "late"), Kind.PASSWORD_CHANGED)
    async with open_mail_server() as server:
        await sent(house, server)
        first = [to for (to,), _ in server.letters[:7]]
        assert 7 == len(set(first))
        assert 6 * ALONE_MAX + 1 == len(server.letters)


async def test_a_letter_about_many_that_was_not_taken_is_tried_again_whole(
    house: PeopleHouse, admin_dsn: str
) -> None:
    """At least once, as every other; and nothing of it alone."""
    ada = await person(house)
    await tell(house, ada, *[Kind.KEY_REVOKED] * 15)
    async with open_mail_server() as server:
        await sent(house, server)
        an_hour_passes(admin_dsn)
        server.refuses = {"ada@example.com": "450 later"}
        assert [] == await sent(house, server)
        server.refuses.clear()
        assert [] == await sent(house, server)  # not due yet
        an_hour_passes(admin_dsn)
        (rest,) = await sent(house, server)
    assert {"An API key was revoked": 5} == counted(rest)


async def test_letters_that_may_have_arrived_count(house: PeopleHouse) -> None:
    """A server that takes each letter and loses its answer gets ten, too, and not ten a round."""
    ada = await person(house)
    await tell(house, ada, *[Kind.KEY_REVOKED] * 30)
    async with open_mail_server() as server:
        server.refuses = {"ada@example.com": "450 later"}
        assert [] == await sent(house, server)
        assert [] == await sent(house, server)
        server.refuses.clear()
        assert [] == await sent(house, server)
