"""Right passwords are bounded, too: one that is known could burn the time of all hashers."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.http.client_address import site_of
from meterr.identity.passwords import SignInRefused, check_password
from meterr.identity.throttle import RULES, Kind, TooManyAttempts
from meterr.identity.throttle.window import HOUR_MS, MINUTE_MS, Window, count, pause_left_ms
from support.authenticator import Authenticator
from support.people import HERE, ORIGIN, PASSWORD, WRONG, PeopleHouse, outcomes

ADA = "ada@example.com"
HOME = "198.51.100.7"
NOW_MS = 1_800_000_000_000
OF_RIGHT_ONES = [kind for kind in Kind if RULES[kind].of_right_ones]
HERE_MAX = RULES[Kind.PASSED_HERE].attempts
SITE_MAX = RULES[Kind.PASSED_SITE].attempts


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[PeopleHouse]:
    async with PeopleHouse.open(database_url) as opened:
        yield opened


async def sign_in(house: PeopleHouse, address: str = HERE, email: str = ADA) -> str:
    """Return what came of a right password: "in", or why not."""
    try:
        await check_password(
            house.db,
            house.hasher,
            house.throttle,
            email=email,
            password=PASSWORD,
            address=address,
        )
    except TooManyAttempts as refused:
        return refused.reason
    return "in"


async def test_a_known_password_burns_so_much_time_and_no_more(house: PeopleHouse) -> None:
    """Attack: right every time, so no count of failures ever stopped it."""
    await house.person(ADA)
    before = house.hasher.verifications
    said = [await sign_in(house) for _ in range(HERE_MAX + 20)]
    assert ["in"] * HERE_MAX + ["throttled_passed_here"] * 20 == said
    assert before + HERE_MAX == house.hasher.verifications


async def test_the_64s_of_one_48_are_one_site(house: PeopleHouse) -> None:
    """An address costs nothing there."""
    await house.person(ADA)
    said = [await sign_in(house, f"2001:db8:7:{n:x}::1") for n in range(HERE_MAX + 5)]
    assert HERE_MAX == said.count("in")
    assert "in" == await sign_in(house, "2001:db8:8::1")


async def test_nobody_is_locked_out_by_it(house: PeopleHouse) -> None:
    """A minute later there is as much room as before; elsewhere and by passkey there always was."""
    ada = await house.person(ADA)
    device = Authenticator(ORIGIN)
    options = await house.passkeys.begin_registration(ada)
    await house.passkeys.finish_registration(ada, "laptop", device.create(options))
    for _ in range(3):
        said = [await sign_in(house) for _ in range(HERE_MAX + 1)]
        assert (HERE_MAX, "throttled_passed_here") == (said.count("in"), said[-1])
        assert "in" == await sign_in(house, HOME)
        options = await house.passkeys.begin_sign_in(HERE)
        assert await house.passkeys.finish_sign_in(HERE, device.get(options))
        house.clock.advance(60)


async def test_a_password_known_in_many_places_does_not_hold_up_its_owner_at_home(
    house: PeopleHouse,
) -> None:
    """The account as a whole is full, but not where it has signed in from before."""
    await house.person(ADA)
    assert "in" == await sign_in(house, HOME)
    crowd = [
        await sign_in(house, f"2001:db8:{n // HERE_MAX:x}::1")
        for n in range(RULES[Kind.PASSED].attempts)
    ]
    assert {"in"} == set(crowd)
    assert "throttled_passed" == await sign_in(house, "203.0.113.200")
    assert "in" == await sign_in(house, HOME)


async def test_one_site_with_many_accounts_is_bounded_as_well(house: PeopleHouse) -> None:
    """An office in the morning fits; what one address asks for in all has an end."""
    people = SITE_MAX // HERE_MAX + 1
    for n in range(people):
        await house.person(f"user{n}@example.com")
    said = [
        await sign_in(house, HERE, f"user{n % people}@example.com") for n in range(SITE_MAX + 5)
    ]
    assert ["in"] * SITE_MAX + ["throttled_passed_site"] * 5 == said
    assert "in" == await sign_in(house, HOME, "user0@example.com")


async def test_wrong_ones_count_for_nothing_here(house: PeopleHouse) -> None:
    """Or a stranger could hold up an account at the addresses that it knows."""
    await house.person(ADA)
    for n in range(HERE_MAX + 5):
        house.clock.advance(90)
        found = await outcomes(
            check_password(
                house.db,
                house.hasher,
                house.throttle,
                email=ADA,
                password=WRONG,
                address=f"2001:db8:7:{n:x}::1",
            )
        )
        assert isinstance(found[0], SignInRefused)
    assert "in" == await sign_in(house, "2001:db8:7:ffff::1")


async def test_reaching_the_limit_is_told_once_an_hour(house: PeopleHouse) -> None:
    """For whoever reports events: right passwords that keep coming are one incident."""
    await house.person(ADA)
    told: list[Kind] = []
    for _ in range(3 * HERE_MAX):
        attempt = await _attempt(house)
        told += await house.throttle.passed(attempt)
        house.clock.advance(2.5)
    assert [Kind.PASSED_HERE] == told


async def _attempt(house: PeopleHouse):
    from_here = ("password", ADA, HERE)
    while True:
        try:
            return await house.throttle.attempt(*from_here)  # type: ignore[arg-type]  # its value
        except TooManyAttempts as paused:
            house.clock.advance(paused.retry_after_s or 0)


@given(st.sampled_from(OF_RIGHT_ONES), st.lists(st.integers(0, HOUR_MS), max_size=60))
def test_a_pause_of_right_ones_is_short_and_does_not_grow(kind: Kind, gaps: list[int]) -> None:
    """Two minutes at most, and afterwards the whole window again."""
    rule, window, now_ms = RULES[kind], Window(), NOW_MS
    for gap in gaps:
        now_ms += gap + pause_left_ms(window, now_ms, rule)
        for _ in range(rule.attempts):
            assert 0 == pause_left_ms(window, now_ms, rule)
            window = count(window, now_ms, rule)
        assert rule.pause_ms == pause_left_ms(window, now_ms, rule) <= 2 * MINUTE_MS
        assert 0 == window.level


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:ffff::9", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("203.0.113.9", "203.0.113.10", False),
        ("203.0.113.9", "::ffff:203.0.113.9", True),
        ("", "no address", True),
    ],
)
def test_a_site_is_a_48(left: str, right: str, same: bool) -> None:
    """What whoever asks for it gets, whole."""
    assert same == (site_of(left) == site_of(right))
