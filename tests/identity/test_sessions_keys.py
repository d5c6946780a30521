"""Keys of access tokens: next, current, previous, gone; nobody notices a rotation."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, Unreadable, mint, rotate_data_keys
from meterr.core.events import list_events
from meterr.core.policy import PLATFORM
from meterr.core.tokens import VerifyingKey
from meterr.identity.sessions import Authority, SessionRefused, SigningKeys
from meterr.identity.sessions.authority import KEYS_AGAIN_S
from meterr.identity.sessions.errors import RotationTooSoon
from meterr.identity.sessions.key_states import KeyState, KnownKey
from meterr.identity.sessions.signing_keys import SECRET, list_signing_keys
from support.identity import until
from support.people import outcomes
from support.sessions import RULES, SessionHouse


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        await opened.person()
        yield opened


async def states(house: SessionHouse) -> dict[str, str]:
    now_ms = house.clock.now_ms
    return {key.kid: key.state_at(now_ms).value for key in await list_signing_keys(house.app)}


async def rotations(house: SessionHouse) -> list[str]:
    since = datetime(2020, 1, 1, tzinfo=UTC)
    page = await list_events(house.app, None, since=since, kinds=["signing_key"])
    return [event.target_id for event in page.events][::-1]


async def test_the_first_use_makes_a_key_that_signs_and_one_that_is_next(
    house: SessionHouse,
) -> None:
    """However many processes begin at once, there is one of each."""
    keys = await asyncio.gather(*(house.signing_keys().current() for _ in range(8)))
    assert 1 == len({key.kid for key in keys})
    assert ["current", "next"] == list((await states(house)).values())


async def test_a_rotation_moves_every_key_one_step(house: SessionHouse) -> None:
    """S1:169, row 32: overlap, and an end of it."""
    first = await house.signer.current()
    house.clock.advance(5)
    rotation = await house.signer.rotate()
    assert first.kid not in (rotation.current, rotation.next)
    assert (await house.signer.current()).kid == rotation.current
    assert ["previous", "current", "next"] == list((await states(house)).values())
    assert [first.kid] == [key.kid for key in rotation.previous]

    house.clock.advance(365)  # 5 minutes, the leeway, and the slack
    assert ["gone", "current", "next"] == list((await states(house)).values())
    await house.signer.rotate()
    assert ["gone", "previous", "current", "next"] == list((await states(house)).values())


async def test_a_token_of_the_key_before_counts_until_it_is_over(house: SessionHouse) -> None:
    """Section 5, rotation: accepted by the key before, refused once that is gone."""
    await house.signer.current()
    house.clock.advance(5)
    old = await house.begin()
    async with house.process() as process:
        await house.signer.rotate()
        new = await house.begin()
        for grant in (old, new):
            assert await process.signed_in(grant.access.get_secret_value())
        house.clock.advance(304)
        assert await process.signed_in(old.access.get_secret_value())
        house.clock.advance(61)
        with pytest.raises(SessionRefused):
            await process.signed_in(old.access.get_secret_value())
    async with house.process() as process:  # one that surely knows of the rotation
        for _ in range(2):
            with pytest.raises(SessionRefused) as refused:
                await process.signed_in(old.access.get_secret_value())
            assert "key" == refused.value.reason
        assert await house.refreshed(old)


async def test_a_key_signs_for_its_time_and_then_another_does(house: SessionHouse) -> None:
    """Issue 4.5: scheduled rotation; of eight processes one rotates, with the usual overlap."""
    day = 86_400
    processes = [house.signing_keys() for _ in range(8)]
    assert [None] * 8 == await asyncio.gather(*(each.keep(day) for each in processes))
    assert {} == await states(house)
    first = await house.signer.current()
    house.clock.advance(day - 1)
    grant = await house.begin()
    assert [None] * 8 == await asyncio.gather(*(each.keep(day) for each in processes))
    house.clock.advance(1)
    done = [each for each in await asyncio.gather(*(p.keep(day) for p in processes)) if each]
    assert 1 == len(done)
    assert [first.kid] == [key.kid for key in done[0].previous]
    assert ["previous", "current", "next"] == list((await states(house)).values())
    async with house.process() as process:
        assert await process.signed_in(grant.access.get_secret_value())
    house.clock.advance(day - 1)
    assert await house.signer.keep(day) is None
    assert ["gone", "current", "next"] == list((await states(house)).values())
    house.clock.advance(1)
    assert await house.signer.keep(day) is not None


async def heard(house: SessionHouse, *processes: Authority) -> None:
    """Wait until processes have heard of all that is done so far: notices come in its order."""
    last = await house.begin()
    for process in processes:
        assert await process.signed_in(last.access.get_secret_value())
    await house.sessions.sign_out_with(last.refresh)
    for process in processes:
        found = None
        while not isinstance(found, SessionRefused):
            (found,) = await outcomes(process.signed_in(last.access.get_secret_value()))


async def test_no_request_fails_while_keys_rotate(house: SessionHouse) -> None:
    """Section 5: rotation under load, 0 failed requests; processes hear of it by notice."""
    await house.signer.current()
    async with house.process() as one, house.process() as two:
        grants = [await house.begin() for _ in range(4)]
        served = 0
        rotating = True

        async def ask() -> None:
            nonlocal served
            while rotating:
                for place, grant in enumerate(grants):
                    for process in (one, two):
                        assert await process.signed_in(grant.access.get_secret_value())
                        served += 1
                    grants[place] = await house.refreshed(grant)
                await asyncio.sleep(0)

        asking = [asyncio.create_task(ask()) for _ in range(1)]
        for _ in range(8):
            before = served
            house.clock.advance(6)
            await house.signer.rotate()
            await heard(house, one, two)
            await until(lambda before=before: served > before + 8 or asking[0].done())
        rotating = False
        await asyncio.gather(*asking)
    assert served > 64


async def test_a_key_that_somebody_saw_is_refused_at_once_everywhere(house: SessionHouse) -> None:
    """Nobody signs in again: the refresh token goes on, and its next access token counts."""
    grant = await house.begin()
    async with house.process() as one, house.process() as two:
        for process in (one, two):
            assert await process.signed_in(grant.access.get_secret_value())
        await house.signer.rotate(at_once=True)
        assert ["current", "next"] == [s for s in (await states(house)).values() if s != "gone"]
        for process in (one, two):
            refused = False
            while not refused:
                (found,) = await outcomes(process.signed_in(grant.access.get_secret_value()))
                refused = isinstance(found, SessionRefused)
        following = await house.refreshed(grant)
        for process in (one, two):
            assert await process.signed_in(following.access.get_secret_value())


async def test_a_key_that_hardly_anybody_knows_does_not_sign(house: SessionHouse) -> None:
    """The next key is published 5 s before it signs, also when two rotate at once."""
    await house.signer.current()
    with pytest.raises(RotationTooSoon) as refused:
        await house.signer.rotate()
    assert "in 5 s" in refused.value.detail
    house.clock.advance(5)
    found = await outcomes(*(house.signing_keys().rotate() for _ in range(6)))
    assert 5 == sum(isinstance(each, RotationTooSoon) for each in found)
    assert ["previous", "current", "next"] == list((await states(house)).values())


async def test_names_of_keys_that_somebody_makes_up_cost_one_look_a_second(
    house: SessionHouse,
) -> None:
    """Tokens with a key's name that does not exist are refused from memory."""
    grant = await house.begin()
    async with house.process() as process:
        reads = 0
        select = process._select

        async def counted(*arguments):
            nonlocal reads
            reads += 1
            return await select(*arguments)

        process._select = counted  # type: ignore[method-assign]  # counts, and does the same
        began = time.monotonic()
        head, payload, signature = grant.access.get_secret_value().split(".")
        for n in range(50):
            token = f"{_renamed(head, f's20991231-{n:012x}')}.{payload}.{signature}"
            (found,) = await outcomes(process.signed_in(token))
            assert isinstance(found, SessionRefused)
        assert reads <= 1 + (time.monotonic() - began) // KEYS_AGAIN_S


async def test_a_private_key_is_sealed_and_gone_when_it_signs_no_more(
    house: SessionHouse, admin_dsn: str
) -> None:
    """P6: in no table, not even for its own process once it is previous."""
    seeds = [(await house.signer.current()).seed()]
    house.clock.advance(5)
    await house.signer.rotate()
    seeds.append((await house.signer.current()).seed())
    with psycopg.connect(admin_dsn) as connection:
        rows = connection.execute(
            "select state, secret from meterr.signing_key order by created_at, kid"
        ).fetchall()
        text = str(connection.execute("select k::text from meterr.signing_key k").fetchall())
    assert {"previous": None} == {s: secret for s, secret in rows if s == "previous"}
    assert all(secret is not None for state, secret in rows if state != "previous")
    for seed in seeds:
        assert seed.hex() not in text
        assert repr(seed) not in text


async def test_another_installation_cannot_unseal_it(house: SessionHouse) -> None:
    """The key-encryption key is not in the database."""
    await house.signer.current()
    other = DataKeys(KeyEncryptionKeys(mint("k1", lambda size: bytes(range(size)))), SystemClock())
    stranger = SigningKeys(house.app, other, house.clock, RULES)
    with pytest.raises(Unreadable):
        await stranger.current()


async def test_data_keys_rotate_under_the_signing_keys(house: SessionHouse) -> None:
    """Row 46: what is sealed is sealed anew, and goes on signing."""
    first = await house.signer.current()
    data_keys = DataKeys(house.keys, SystemClock())
    rotated = await rotate_data_keys(house.app, data_keys, {SECRET: house.app}, lambda _: None)
    assert (2, ()) == (rotated.values, rotated.unreadable)
    assert first.seed() == (await house.signing_keys().current()).seed()


async def test_a_rotation_is_on_record_and_sealing_a_key_anew_is_none(house: SessionHouse) -> None:
    """signing_key.rotated says that another key signs: false alarms are not looked at for long."""
    first = await house.signer.current()
    assert [first.kid] == await rotations(house)
    data_keys = DataKeys(house.keys, SystemClock())
    await rotate_data_keys(house.app, data_keys, {SECRET: house.app}, lambda _: None)
    assert [first.kid] == await rotations(house)
    rotation = await house.signer.rotate(at_once=True)
    assert [first.kid, rotation.current] == await rotations(house)


async def test_the_database_itself_keeps_retired_keys_and_ended_sessions_so(
    house: SessionHouse, admin_dsn: str
) -> None:
    """No way back, whoever writes."""
    grant = await house.begin()
    await house.sessions.sign_out_with(grant.refresh)
    await house.signer.rotate(at_once=True)
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        for statement in (
            "update meterr.user_session set ended_at = null, ended_because = null",
            "update meterr.user_session set address = ''",
            "update meterr.signing_key set state = 'previous' where state = 'gone'",
            "update meterr.signing_key set state = 'next' where state = 'current'",
        ):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(statement)


@given(st.sampled_from(KeyState), st.none() | st.integers(0, 100), st.integers(0, 100))
def test_a_key_is_accepted_until_its_time_and_never_when_it_is_gone(
    state: KeyState, accepted_to_ms: int | None, now_ms: int
) -> None:
    """The rule by itself."""
    known = KnownKey(VerifyingKey("k", bytes(32)), state, accepted_to_ms)
    in_time = accepted_to_ms is None or now_ms < accepted_to_ms
    assert known.accepts(now_ms) == (in_time and state is not KeyState.GONE)


def test_keys_of_tokens_belong_to_no_tenant() -> None:
    """They stand under the nil id, as all that is meterr's own."""
    assert "00000000-0000-0000-0000-000000000000" == PLATFORM
    assert ("signing_key", "secret", ("kid",)) == (SECRET.table, SECRET.column, SECRET.keys)


def _renamed(head: str, kid: str) -> str:
    members = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    raw = json.dumps({**members, "kid": kid}).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
