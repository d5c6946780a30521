"""Signing in, stepping up and what ends a session, as events; and what the person is told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meterr.core.events import Source, list_events
from meterr.core.events.model import EventRow
from meterr.identity.notices import list_notices
from meterr.identity.people.model import Operator
from meterr.identity.sessions import Grant
from meterr.identity.sessions.administration import end_of_member
from meterr.identity.sessions.family import GRACE_MS
from support.people import PASSWORD, REASON
from support.sessions import LAPTOP, SessionHouse

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
NEXT_DOOR = replace(LAPTOP, address="203.0.113.77")
ABROAD = replace(LAPTOP, address="198.51.100.4")
SOCKET = replace(LAPTOP, address="")
ADA = "ada@example.com"
DAY_S = 24 * 60 * 60


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SessionHouse]:
    async with SessionHouse.open(database_url) as opened:
        yield opened


async def seen(house: SessionHouse) -> list[EventRow]:
    page = await list_events(house.app, None, since=BEGINNING, kinds=["sign_in", "session"])
    return list(page.events)[::-1]


async def test_a_sign_in_is_on_record_and_a_refresh_is_none(house: SessionHouse) -> None:
    """One event a session: refreshing goes on every few minutes and says nothing new."""
    user_id = (await house.person()).user.user_id
    with Source.stranger(LAPTOP.address).acts():
        grant = await house.begin()
        await house.refreshed(grant)

    (event,) = await seen(house)

    assert ("sign_in.succeeded", "user", user_id) == (event.kind, event.actor_kind, event.actor_id)
    assert ("203.0.113.9", user_id) == (event.network, event.target_id)
    assert {"session": grant.session_id, "factor": False} == event.detail


async def test_stepping_up_is_no_new_sign_in(house: SessionHouse) -> None:
    """The session goes on under another id."""
    person = await house.admin()
    grant = await house.begin_with_factor(person)
    signed_in = await house.signed_in(grant)
    await house.sessions.step_up(signed_in, await house.code(person), LAPTOP)
    assert ["sign_in.succeeded"] == [event.kind for event in await seen(house)]


async def test_a_network_that_the_account_did_not_know_is_told(house: SessionHouse) -> None:
    """Neither the first sign-in ever, nor the neighbour's address, nor none at all, is news."""
    user_id = (await house.person()).user.user_id
    for client in (LAPTOP, NEXT_DOOR, SOCKET, ABROAD, ABROAD):
        await house.begin(client=client)

    new = [event for event in await seen(house) if event.kind == "sign_in.new_network"]
    told = [n for n in (await list_notices(house.db, user_id)).notices if n.kind == new[0].kind]

    assert 1 == len(new)
    assert ["198.51.100.0/24"] == [notice.about for notice in told]


async def new_networks(house: SessionHouse, user_id: str) -> list[str]:
    """Return the networks that a person was told of, oldest first; each has its event."""
    told = [
        n.about
        for n in (await list_notices(house.db, user_id)).notices
        if n.kind == "sign_in.new_network"
    ][::-1]
    events = [event for event in await seen(house) if event.kind == "sign_in.new_network"]
    assert len(told) == len(events)
    return told


async def test_a_session_that_goes_on_from_a_new_network_is_told_once(
    house: SessionHouse,
) -> None:
    """A refresh token that was taken along is as much news from there as a sign-in."""
    user_id = (await house.person()).user.user_id
    grant = await house.begin()
    for client in (NEXT_DOOR, SOCKET, ABROAD, LAPTOP, ABROAD, LAPTOP):
        grant = await house.refreshed(grant, client)
    assert ["198.51.100.0/24"] == await new_networks(house, user_id)
    await house.begin(client=ABROAD)
    assert ["198.51.100.0/24"] == await new_networks(house, user_id)


async def test_an_answer_that_goes_out_once_more_is_told_by_its_network(
    house: SessionHouse,
) -> None:
    """Within its ten seconds a token is good twice: also for whoever took it along."""
    user_id = (await house.person()).user.user_id
    grant = await house.begin()
    await house.refreshed(grant)
    await house.refreshed(grant, ABROAD)
    assert ["198.51.100.0/24"] == await new_networks(house, user_id)


async def test_stepping_up_from_a_new_network_is_told(house: SessionHouse) -> None:
    """The session is another one, and no new sign-in; its network may be new all the same."""
    person = await house.admin()
    grant = await house.begin_with_factor(person)
    signed_in = await house.signed_in(grant)
    await house.sessions.step_up(signed_in, await house.code(person), ABROAD)
    assert ["198.51.100.0/24"] == await new_networks(house, person.user.user_id)
    assert 1 == [event.kind for event in await seen(house)].count("sign_in.succeeded")


async def test_a_network_is_known_for_a_month_after_it_was_seen(house: SessionHouse) -> None:
    """Each day that somebody is there counts, and not only that of the sign-in."""
    user_id = (await house.person()).user.user_id
    long = house.living(absolute_s=90 * DAY_S, idle_s=30 * DAY_S)
    grant = await replace(house.sign_in, issuer=long.issuer).with_password(ADA, PASSWORD, LAPTOP)
    assert isinstance(grant, Grant)
    house.clock.advance(20 * DAY_S)
    await long.refresh(grant.refresh, LAPTOP)
    for client in (ABROAD, LAPTOP):
        house.clock.advance(20 * DAY_S)
        await house.begin(client=client)
    assert ["198.51.100.0/24"] == await new_networks(house, user_id)


async def test_a_token_used_twice_is_critical_and_told(house: SessionHouse) -> None:
    """Issue 4, item 5: reuse after 10 s revokes the family and raises an event."""
    user_id = (await house.person()).user.user_id
    grant = await house.begin()
    await house.refreshed(grant)
    house.clock.advance(GRACE_MS / 1000 + 1)
    with Source.stranger("198.51.100.4").acts():
        assert (await house.sessions.refresh(grant.refresh, ABROAD)).reused

    event = (await seen(house))[-1]

    assert ("session.reused", "critical", "198.51.100.4") == (
        event.kind,
        event.severity,
        event.network,
    )
    assert grant.session_id == event.target_id
    assert "session.reused" in {n.kind for n in (await list_notices(house.db, user_id)).notices}


async def test_a_session_that_somebody_else_ends_is_on_record_and_ones_own_is_not(
    house: SessionHouse,
) -> None:
    """Signing out is every day's business; being signed out is not."""
    user_id = (await house.person()).user.user_id
    for _ in range(2):
        await house.begin()
    with Source.user(user_id, LAPTOP.address).acts():
        await house.sessions.sign_out_everywhere(await house.signed_in(await house.begin()))
    grant = await house.begin()
    await end_of_member(
        house.db,
        house.clock,
        by=Operator("tests"),
        tenant_id=house.tenant_id,
        user_id=user_id,
        reason=REASON,
    )

    ended = [event.target_id for event in await seen(house) if event.kind == "session.ended"]

    assert [grant.session_id] == ended
