"""How much one caller may ask of the management API: counted, told, and refused."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.api import Allowances, Caller
from meterr.core.api.allowance import WINDOW_S, Allowance, TooManyRequests
from meterr.core.db import Database, Role
from meterr.core.policy import Actor
from meterr.core.postgres import EmbeddedPostgres
from support.api_house import ApiHouse, shared_api_house
from support.people import StillClock, keyed

QUOTA = 20


def caller(user_id: str = "", address: str = "203.0.113.9", group: str = "") -> Caller:
    actor = Actor(user_id, {}, factor_at_ms=None, began_at_ms=0) if user_id else None
    return Caller(address=address, user_agent="", actor=actor, group=group)


def told(headers: dict[str, str]) -> tuple[int, int]:
    """Return what is left and the quota, of an answer that tells both."""
    left = headers["ratelimit"].split(";")
    policy = headers["ratelimit-policy"].split(";")
    assert '"requests"' == left[0] == policy[0]
    assert f"w={WINDOW_S}" == policy[2]
    assert 1 <= int(left[2].removeprefix("t=")) <= WINDOW_S
    return int(left[1].removeprefix("r=")), int(policy[1].removeprefix("q="))


class TestOverHttp:
    def test_every_answer_behind_the_gate_says_what_is_left(self, api: ApiHouse) -> None:
        """Issue 3.3: RateLimit and RateLimit-Policy on our own API, on refusals too."""
        here = {"x-forwarded-for": f"2001:db8:{os.urandom(2).hex()}::1"}  # nobody else's
        answers = [
            api.send("GET", "/api/v1/openapi.json", headers=here),
            api.send("POST", "/api/v1/sign-in/password", {"email": 7}, here),
            api.send("POST", "/api/v1/sign-in/password", None, here),
            api.send("GET", "/api/v1/openapi.json?what=1", headers=here),
        ]
        assert [200, 400, 400, 400] == [answer.status for answer in answers]
        lefts, quotas = zip(*(told(answer.headers) for answer in answers), strict=True)
        assert {100_000} == set(quotas)
        # Who reads the document and who signs in are counted apart.
        assert [99_999, 99_999, 99_998, 99_998] == list(lefts)

    def test_a_person_has_one_allowance_wherever_they_are(self, api: ApiHouse) -> None:
        """A second address is no second allowance, and another person's is another."""

        def left_from(place: str) -> int:
            elsewhere = {"x-forwarded-for": place}
            answer = api.send("GET", "/api/v1/me", headers=elsewhere, who="user-elsewhere")
            return told(answer.headers)[0]

        first = left_from("198.51.100.32")
        if (second := left_from("198.51.100.33")) > first:  # a new minute began between the two
            first, second = second, left_from("198.51.100.32")
        assert 1 == first - second


@pytest.fixture(scope="module")
def narrow(postgres: EmbeddedPostgres) -> Iterator[ApiHouse]:
    """Return a house that takes few requests."""
    config = f"[server]\napi_requests_per_minute = {QUOTA}\n"
    with shared_api_house(postgres, config) as house:
        yield house


def test_somebody_who_reads_the_document_does_not_end_my_session(narrow: ApiHouse) -> None:
    """GET needs no origin: any page that a browser behind this address opens can do this."""
    grant = narrow.grant("user", new=True)
    crossed = {"sec-fetch-site": "cross-site"}
    read = [narrow.send("GET", "/api/v1/openapi.json", headers=crossed) for _ in range(QUOTA * 2)]
    assert 429 in {answer.status for answer in read}
    body = {"refresh_token": grant.refresh.get_secret_value()}
    assert 200 == narrow.send("POST", "/api/v1/sessions/refresh", body).status
    wrong = {"email": "nobody@example.com", "password": "x"}
    assert 401 == narrow.send("POST", "/api/v1/sign-in/password", wrong).status


@pytest.fixture
async def db(database_url: str):
    async with Database.open(database_url, Role.IDENTITY) as database:
        yield database


async def outcomes(counter: Allowances, who: Caller, requests: int) -> list[bool]:
    """Return for each of so many requests at once whether it was let in."""
    taken = await asyncio.gather(*(counter.take(who) for _ in range(requests)))
    return [each.requests <= each.quota for each in taken]


async def test_four_processes_let_a_crowd_in_exactly_up_to_the_quota(
    db: Database, database_url: str
) -> None:
    """Issue 3: a limit is one limit on any number of processes."""
    clock = StillClock()
    let_in = 0
    for _ in range(4):
        async with Database.open(database_url, Role.IDENTITY) as other:
            let_in += sum(await outcomes(Allowances(other, clock, keyed, QUOTA), caller(), QUOTA))
    assert QUOTA == let_in
    with pytest.raises(TooManyRequests) as refused:
        (await Allowances(db, clock, keyed, QUOTA).take(caller())).require()
    assert (429, WINDOW_S) == (refused.value.status, refused.value.retry_after_s)


async def test_waiting_as_told_is_enough_also_for_who_kept_knocking(db: Database) -> None:
    """A refused request costs nothing that has to be waited for."""
    clock = StillClock()
    counter = Allowances(db, clock, keyed, QUOTA)
    assert QUOTA == sum(await outcomes(counter, caller(), QUOTA * 3))
    clock.advance((await counter.take(caller())).resets_in_s)
    assert QUOTA - 1 == QUOTA - (await counter.take(caller())).requests


async def test_a_clock_set_back_locks_nobody_out(db: Database) -> None:
    """A window of the future is none."""
    clock = StillClock()
    counter = Allowances(db, clock, keyed, QUOTA)
    await outcomes(counter, caller(), QUOTA + 1)
    clock.advance(-3600)
    assert 1 == (await counter.take(caller())).requests


async def test_people_and_networks_are_counted_apart(db: Database) -> None:
    """All of a /64 is one network; a person who is signed in is not held up by their network."""
    counter = Allowances(db, StillClock(), keyed, QUOTA)
    await outcomes(counter, caller(address="2001:db8::1"), QUOTA)
    assert QUOTA < (await counter.take(caller(address="2001:db8::ffff"))).requests
    assert 1 == (await counter.take(caller(address="2001:db8:0:1::1"))).requests
    assert 1 == (await counter.take(caller("ada", "2001:db8::1"))).requests
    assert 1 == (await counter.take(caller("bob", "2001:db8::1"))).requests


async def test_what_strangers_call_is_counted_by_its_group(db: Database) -> None:
    """A network whose pages read the document all day still signs in; a person has one window."""
    counter = Allowances(db, StillClock(), keyed, QUOTA)
    await outcomes(counter, caller(group="openapi"), QUOTA)
    assert QUOTA < (await counter.take(caller(group="openapi"))).requests
    assert 1 == (await counter.take(caller(group="sessions"))).requests
    assert 1 == (await counter.take(caller(group="sign_in"))).requests
    assert 1 == (await counter.take(caller("ada", group="openapi"))).requests
    assert 2 == (await counter.take(caller("ada", group="sessions"))).requests


async def test_who_left_is_forgotten_and_nobody_is_readable(db: Database) -> None:
    """Ten minutes later a row is gone; until then it is a digest."""
    clock = StillClock()
    counter = Allowances(db, clock, keyed, QUOTA)
    for n in range(50):
        await counter.take(caller(address=f"203.0.113.{n}"))
    clock.advance(WINDOW_S * 11)
    await counter.take(caller("ada"))
    async with db.transaction() as connection:
        rows = await (await connection.execute("select caller from meterr.api_window")).fetchall()
    assert [keyed(b"meterr requests person\0ada")] == [bytes(row[0]) for row in rows]


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(-(10**9), 10**9))
def test_what_is_told_is_never_negative_and_never_too_early(
    quota: int, requests: int, left_ms: int
) -> None:
    """What a client reads is within bounds, whatever the clocks say."""
    allowance = Allowance(quota, requests, left_ms)
    left, total = told({name.decode(): text.decode() for name, text in allowance.headers()})
    assert (max(0, quota - requests), quota) == (left, total)
    assert allowance.resets_in_s * 1000 >= min(left_ms, WINDOW_S * 1000)
