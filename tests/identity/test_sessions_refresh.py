"""Families of refresh tokens: exchanged at each use, forgiving for ten seconds, then final."""

import asyncio
import dataclasses
import string

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.identity.sessions import SessionRefused
from meterr.identity.sessions.family import GRACE_MS
from meterr.identity.sessions.refresh_token import (
    TOKEN_CHARS,
    digest_of,
    mint,
    read,
    successors,
)
from support.sessions import LAPTOP, PHONE, SessionHouse, granted, macs

SESSION = "0199aaaa-0000-7000-8000-000000000002"
TOKEN = mint(SESSION, 3, bytes(32), macs)


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        await opened.person()
        yield opened


async def refuse(house: SessionHouse, token: SecretStr) -> str:
    with pytest.raises(SessionRefused) as refused:
        await house.sessions.refresh(token, LAPTOP)
    assert "You are not signed in, or not any more. Sign in again." == refused.value.detail
    return refused.value.reason


async def test_a_refresh_gives_two_new_tokens_of_the_same_session(house: SessionHouse) -> None:
    """S1:171, row 33: short access, rotated refresh; the session's id stays, its tokens do not."""
    first = await house.begin()
    second = await house.refreshed(first)
    assert first.session_id == second.session_id
    assert first.refresh != second.refresh
    assert first.access != second.access
    assert await house.counts(first)
    assert await house.counts(second)


async def test_fifty_refreshes_at_once_are_one_family_and_nobody_is_signed_out(
    house: SessionHouse, admin_dsn: str
) -> None:
    """Section 5: 50 concurrent refreshes -> 1 family, no logout, and one next token for all."""
    first = await house.begin()
    found = await asyncio.gather(
        *(house.sessions.refresh(first.refresh, LAPTOP) for _ in range(50))
    )
    assert not any(each.reused for each in found)
    grants = [granted(each) for each in found]
    assert 1 == len({each.refresh.get_secret_value() for each in grants})
    assert 50 == len({each.access.get_secret_value() for each in grants})
    assert {first.session_id} == {each.session_id for each in grants}
    assert [(1, None)] == rows(admin_dsn)
    assert await house.refreshed(grants[7])


async def test_a_token_sent_again_within_ten_seconds_gets_the_same_answer(
    house: SessionHouse,
) -> None:
    """An answer was lost, or two tabs asked: up to the last millisecond of the grace."""
    first = await house.begin()
    second = await house.refreshed(first)
    house.clock.now_ms += GRACE_MS
    assert second.refresh == (await house.refreshed(first)).refresh
    assert await house.refreshed(second)


async def test_a_token_that_comes_back_later_ends_the_family(
    house: SessionHouse, admin_dsn: str
) -> None:
    """Section 5: replay after 10 s -> family revoked, and the result says so."""
    first = await house.begin()
    second = await house.refreshed(first)
    house.clock.now_ms += GRACE_MS + 1

    found = await house.sessions.refresh(first.refresh, PHONE)

    assert found.reused
    assert found.grant is None
    assert (second.session_id, second.user_id) == (found.session_id, found.user_id)
    assert not await house.counts(second)
    assert "session_over" == await refuse(house, second.refresh)
    assert [(1, "reused")] == rows(admin_dsn)


async def test_a_token_of_two_exchanges_ago_ends_the_family_at_once(house: SessionHouse) -> None:
    """The grace is for the one before and no other."""
    first = await house.begin()
    third = await house.refreshed(await house.refreshed(first))
    assert (await house.sessions.refresh(first.refresh, LAPTOP)).reused
    assert not await house.counts(third)


async def test_a_family_that_ended_does_not_end_again(house: SessionHouse) -> None:
    """What is over tells nothing more, so one incident is told once."""
    first = await house.begin()
    await house.refreshed(first)
    house.clock.advance(60)
    assert (await house.sessions.refresh(first.refresh, LAPTOP)).reused
    assert "session_over" == await refuse(house, first.refresh)


async def test_another_family_of_the_person_goes_on(house: SessionHouse) -> None:
    """One stolen token ends one session."""
    stolen, other = await house.begin(), await house.begin(client=PHONE)
    await house.refreshed(stolen)
    house.clock.advance(60)
    assert (await house.sessions.refresh(stolen.refresh, LAPTOP)).reused
    assert await house.counts(other)
    assert await house.refreshed(other)


async def test_a_session_ends_when_it_is_idle_and_when_its_life_is_over(
    house: SessionHouse,
) -> None:
    """Both are settings; a refresh prolongs the first and never the second."""
    sessions = house.living(idle_s=600, absolute_s=1800)
    house.issuer = dataclasses.replace(house.issuer, lifetimes=sessions.issuer.lifetimes)
    house.sign_in = dataclasses.replace(house.sign_in, issuer=house.issuer)
    house.sessions = sessions
    used, unused = await house.begin(), await house.begin()
    for _ in range(3):
        house.clock.advance(590)
        used = await house.refreshed(used)
    assert "session_idle" == await refuse(house, unused.refresh)
    house.clock.advance(29)
    used = await house.refreshed(used)
    assert house.clock.now_ms + 1000 == used.access_ends_at_ms
    house.clock.advance(1)
    assert "session_over" == await refuse(house, used.refresh)
    house.clock.advance(10)
    assert not await house.counts(used)


async def test_a_token_under_the_pepper_before_goes_on(house: SessionHouse) -> None:
    """Sessions outlive a change of the pepper, as keys do."""
    first = await house.begin()
    turned = dataclasses.replace(house.issuer, macs=lambda content: macs(content)[::-1])
    second = granted(
        await dataclasses.replace(house.sessions, issuer=turned).refresh(first.refresh, LAPTOP)
    )
    assert second.refresh == (await house.refreshed(first)).refresh
    assert await house.refreshed(second)


async def test_a_database_put_back_to_an_earlier_day_is_no_theft(
    house: SessionHouse, admin_dsn: str
) -> None:
    """A newer token than the database knows is refused, and the family goes on."""
    first = await house.begin()
    second = await house.refreshed(first)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            """update meterr.user_session set generation = 0, refresh_digest = %s,
                      previous_digest = null, salt = null, rotated_at = null""",
            [digest_of(first.refresh)],
        )
    assert "token_unknown" == await refuse(house, second.refresh)
    assert await house.refreshed(first)


async def test_what_we_did_not_write_reaches_no_table(house: SessionHouse) -> None:
    """Made-up, cut, changed in any character: refused by the tag, before any statement."""
    good = (await house.begin()).refresh.get_secret_value()
    closed = dataclasses.replace(house.issuer, db=None)  # type: ignore[arg-type]  # whoever asks it fails
    sessions = dataclasses.replace(house.sessions, issuer=closed)
    changed = [
        good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        for place in range(len(good))
    ]
    for wrong in (
        *changed,
        "",
        good[:-1],
        f"{good}A",
        f"{good}=",
        f" {good}",
        "é" * 106,
        "." * 106,
    ):
        with pytest.raises(SessionRefused) as refused:
            await sessions.refresh(SecretStr(wrong), LAPTOP)
        assert "no_token_of_ours" == refused.value.reason


class TestTheTokenItself:
    def test_it_has_one_spelling(self) -> None:
        """Every changed character is another text, and none of ours."""
        text = TOKEN.get_secret_value()
        assert TOKEN_CHARS == len(text)
        assert text.startswith("meterr_refresh_")
        letters = string.ascii_letters + string.digits + "-_=+/."
        for place in range(len(text)):
            for letter in letters:
                if letter != text[place]:
                    other = SecretStr(text[:place] + letter + text[place + 1 :])
                    assert read(other, macs) is None

    @given(st.uuids(), st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32))
    def test_what_is_written_is_read(self, session_id, generation, secret) -> None:
        """Round trip, for every id, generation and secret."""
        token = mint(str(session_id), generation, secret, macs)
        presented = read(token, macs)
        assert presented is not None
        assert (str(session_id), generation) == (presented.session_id, presented.generation)

    @given(st.text(max_size=120))
    def test_any_other_text_is_none_of_ours(self, text: str) -> None:
        """No exception of a library's, whatever is sent."""
        assert read(SecretStr(text), macs) is None

    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
    def test_the_next_one_follows_from_token_salt_and_pepper(self, salt, other) -> None:
        """The same each time, and another with any of the three changed."""
        presented = read(TOKEN, macs)
        assert presented is not None
        made = [each.get_secret_value() for each in successors(presented, salt, macs)]
        assert made == [each.get_secret_value() for each in successors(presented, salt, macs)]
        assert 2 == len(set(made))
        assert (
            salt == other or made[0] != next(successors(presented, other, macs)).get_secret_value()
        )
        following = read(SecretStr(made[1]), macs)
        assert following is not None
        assert presented.generation + 1 == following.generation

    def test_nothing_of_it_is_shown(self) -> None:
        """P6."""
        presented = read(TOKEN, macs)
        shown = f"{TOKEN!r} {presented!r}"
        assert TOKEN.get_secret_value()[30:60] not in shown
        assert "raw" not in shown


def rows(admin_dsn: str) -> list[tuple[int, str | None]]:
    with psycopg.connect(admin_dsn) as connection:
        return connection.execute(
            "select generation, ended_because from meterr.user_session order by created_at"
        ).fetchall()
