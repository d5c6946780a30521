"""TOTP and recovery codes: each is good once, whoever else tries at the same moment."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.core.crypto import Unreadable
from meterr.core.policy import Role
from meterr.identity.factors import (
    Demand,
    FactorProof,
    FactorRefused,
    begin_totp,
    check_totp,
    confirm_totp,
    demand,
    find_enrolled,
    remove_totp,
    replace_recovery_codes,
    use_recovery_code,
)
from meterr.identity.factors.errors import LastFactor
from meterr.identity.factors.model import Enrolled
from meterr.identity.factors.recovery import digest_of, new_codes
from meterr.identity.factors.totp import STEP_S, matching_step
from meterr.identity.people import Person, find_person
from meterr.identity.throttle import Throttle, TooManyAttempts
from support.people import SECRET, PeopleHouse, code_at, outcomes


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


@pytest.fixture
async def ada(house: PeopleHouse) -> Person:
    return await house.person("ada@example.com")


async def confirm(house: PeopleHouse, person: Person, code: str) -> FactorProof:
    return await confirm_totp(
        house.db,
        house.vault,
        house.throttle,
        house.clock,
        user_id=person.user.user_id,
        code=code,
        address="203.0.113.1",
    )


def states(admin_dsn: str) -> list[str]:
    with psycopg.connect(admin_dsn) as connection:
        found = connection.execute("select state from meterr.totp_factor order by state").fetchall()
    return [state for (state,) in found]


async def give(
    house: PeopleHouse, person: Person, code: str, n: int = 0, throttle: Throttle | None = None
) -> FactorProof:
    return await check_totp(
        house.db,
        house.vault,
        throttle or house.throttle,
        house.clock,
        user_id=person.user.user_id,
        code=code,
        address=f"203.0.113.{n}",
    )


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(unix_s: int, code: str) -> None:
    """RFC 6238, appendix B, in six digits."""
    assert unix_s // STEP_S == matching_step(SECRET, code, unix_s)


@given(st.integers(10_000, 2**40), st.integers(-4, 4))
def test_a_code_of_the_neighbouring_step_counts_and_no_other(now: int, steps: int) -> None:
    """Issue 4, item 4: +-1 step. A code far off may be equal by chance: one in a million."""
    step = now // STEP_S + steps
    found = matching_step(SECRET, code_at(SECRET, step * STEP_S), now)
    assert abs(steps) > 1 or found is not None
    assert found is None or abs(found - now // STEP_S) <= 1


@given(st.text(max_size=10))
def test_what_is_no_six_digits_is_no_code(text: str) -> None:
    """Total: digits of other scripts, signs and spaces around are not guessed at."""
    if not (text.strip().replace(" ", "").isascii() and len(text.replace(" ", "").strip()) == 6):
        assert matching_step(SECRET, text, 59) is None


async def test_a_code_is_accepted_once(house: PeopleHouse, ada: Person) -> None:
    """S2:77, row 37: verify(code) twice gives True, True there."""
    secret = await house.enrol(ada)
    code = code_at(secret, house.clock.now_ms // 1000)

    proof = await give(house, ada, code)
    assert house.clock.now_ms == proof.at_ms
    with pytest.raises(FactorRefused):
        await give(house, ada, code)


async def test_the_code_that_confirmed_a_factor_is_used_up(house: PeopleHouse, ada: Person) -> None:
    """Row 37: whoever looked over the shoulder at enrolment is not let in."""
    await begin_totp(house.db, house.ids, house.vault, ada, randomness=lambda n: SECRET[:n])
    code = code_at(SECRET, house.clock.now_ms // 1000)
    await confirm(house, ada, code)
    with pytest.raises(FactorRefused):
        await give(house, ada, code)


async def test_a_later_step_uses_up_all_before_it(house: PeopleHouse, ada: Person) -> None:
    """Within the window of three steps, none runs backwards."""
    secret = await house.enrol(ada)
    now = house.clock.now_ms // 1000
    await give(house, ada, code_at(secret, now + STEP_S))
    for earlier in (now, now - STEP_S):
        with pytest.raises(FactorRefused):
            await give(house, ada, code_at(secret, earlier))


async def test_beginning_again_and_again_is_one_row(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """A signed-in person fills no table; the last secret is the one that counts."""
    for _ in range(5):
        await begin_totp(house.db, house.ids, house.vault, ada)
    await begin_totp(house.db, house.ids, house.vault, ada, randomness=lambda n: SECRET[:n])
    assert ["pending"] == states(admin_dsn)
    await confirm(house, ada, code_at(SECRET, house.clock.now_ms // 1000))
    assert ["active"] == states(admin_dsn)


async def test_secrets_that_were_not_confirmed_or_ended_go_after_a_day(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """Nothing is kept that is good for nothing; what is in use stays for ever."""
    bob, eve = await house.person("bob@example.com"), await house.person("eve@example.com")
    for person in (ada, bob):
        await house.enrol(person)
    await remove_totp(house.db, bob)
    await begin_totp(house.db, house.ids, house.vault, eve)
    assert ["active", "ended", "pending"] == states(admin_dsn)
    with psycopg.connect(admin_dsn) as connection:
        for hours, left in ((23, 3), (25, 1)):
            connection.execute(
                "select meterr.prune_people((extract(epoch from now()) * 1000)::bigint + %s)",
                [hours * 3_600_000],
            )
            row = connection.execute("select count(*) from meterr.totp_factor").fetchone()
            assert (left,) == row
    assert ["active"] == states(admin_dsn)


async def test_of_50_uses_of_one_code_at_once_exactly_one_passes(
    house: PeopleHouse, ada: Person
) -> None:
    """Compare-and-set in SQL; with a throttle that lets all 50 reach it."""
    secret = await house.enrol(ada)
    code = code_at(secret, house.clock.now_ms // 1000)

    found = await outcomes(*(give(house, ada, code, n, house.open_door) for n in range(50)))

    assert 1 == sum(isinstance(each, FactorProof) for each in found)
    assert 49 == sum(isinstance(each, FactorRefused) for each in found)


async def test_50_people_typing_the_same_code_at_once_get_one_in(
    house: PeopleHouse, ada: Person
) -> None:
    """The same through the service: one proof; the rest used, or too many."""
    secret = await house.enrol(ada)
    code = code_at(secret, house.clock.now_ms // 1000)

    found = await outcomes(*(give(house, ada, code, n) for n in range(50)))

    assert 1 == sum(isinstance(each, FactorProof) for each in found)
    assert all(isinstance(e, FactorProof | FactorRefused | TooManyAttempts) for e in found)


async def test_five_wrong_codes_pause_and_only_pause(house: PeopleHouse, ada: Person) -> None:
    """Section 5: 5 in 5 minutes; a right code counts again when the pause is over."""
    secret = await house.enrol(ada)
    for n in range(5):
        with pytest.raises(FactorRefused):
            await give(house, ada, "000000", n)
    with pytest.raises(TooManyAttempts) as paused:
        await give(house, ada, code_at(secret, house.clock.now_ms // 1000), 9)
    assert 60 == paused.value.retry_after_s

    house.clock.advance(60)
    assert await give(house, ada, code_at(secret, house.clock.now_ms // 1000), 9)


async def test_a_secret_is_sealed_for_its_row_and_gone_when_it_ends(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """Sealed at rest; a sealed secret moved to another person's row does not open."""
    bob = await house.person("bob@example.com")
    await house.enrol(ada)
    await house.enrol(bob)
    with psycopg.connect(admin_dsn) as connection:
        rows = connection.execute("select sealed from meterr.totp_factor").fetchall()
        assert all(SECRET not in bytes(sealed) for (sealed,) in rows)
        connection.execute(
            """update meterr.totp_factor a set sealed = b.sealed from meterr.totp_factor b
                where a.user_id = %s and b.user_id = %s""",
            [bob.user.user_id, ada.user.user_id],
        )
    with pytest.raises(Unreadable):
        await give(house, bob, code_at(SECRET, house.clock.now_ms // 1000))

    await remove_totp(house.db, ada)
    with psycopg.connect(admin_dsn) as connection:
        left = connection.execute(
            "select sealed from meterr.totp_factor where user_id = %s", [ada.user.user_id]
        ).fetchall()
    assert [(None,)] == left
    with pytest.raises(FactorRefused):
        await give(house, ada, code_at(SECRET, house.clock.now_ms // 1000))


async def test_a_new_secret_counts_only_when_confirmed(house: PeopleHouse, ada: Person) -> None:
    """The factor in use stays in use; confirming is a change of credentials."""
    old = await house.enrol(ada)
    before = await find_person(house.db, ada.user.user_id)
    fresh = await begin_totp(house.db, house.ids, house.vault, ada, randomness=lambda n: b"x" * n)
    assert "x" * 20 not in repr(fresh)
    assert fresh.uri.get_secret_value().startswith(
        "otpauth://totp/meterr:ada%40example.com?secret="
    )
    with pytest.raises(FactorRefused):
        await confirm(house, ada, "000000")
    assert await give(house, ada, code_at(old, house.clock.now_ms // 1000))

    house.clock.advance(STEP_S)
    await confirm(house, ada, code_at(b"x" * 20, house.clock.now_ms // 1000))
    house.clock.advance(STEP_S)
    with pytest.raises(FactorRefused):
        await give(house, ada, code_at(old, house.clock.now_ms // 1000))
    assert await give(house, ada, code_at(b"x" * 20, house.clock.now_ms // 1000))
    assert (await find_person(house.db, ada.user.user_id)).user.version > before.user.version


async def test_admins_keep_a_factor_and_users_need_not(house: PeopleHouse) -> None:
    """S2:77: MFA required for admin and super_admin."""
    admin = await house.person("admin@example.com", Role.ADMIN)
    await house.enrol(admin)
    with pytest.raises(LastFactor):
        await remove_totp(house.db, admin)
    user = await house.person("user@example.com")
    await house.enrol(user)
    await remove_totp(house.db, user)
    assert not (await find_enrolled(house.db, user.user.user_id)).any


def test_what_a_sign_in_still_owes_follows_roles_and_factors() -> None:
    """S2:77: whoever has a factor gives it; whoever must have one makes one first."""
    nothing = Enrolled(totp=False, passkeys=0, recovery_codes=10, short_password=False)
    app = Enrolled(totp=True, passkeys=0, recovery_codes=0, short_password=False)
    short = Enrolled(totp=False, passkeys=0, recovery_codes=0, short_password=True)
    assert Demand.NOTHING is demand([Role.USER], nothing)
    assert Demand.ENROL is demand([Role.USER, Role.ADMIN], nothing)
    assert Demand.ENROL is demand([Role.SUPER_ADMIN], nothing)
    assert Demand.ENROL is demand([Role.USER], short)
    assert {Demand.GIVE} == {demand(held, app) for held in ([], [Role.USER], [Role.ADMIN])}


# Recovery codes ---------------------------------------------------------------------------------


async def recover(
    house: PeopleHouse, person: Person, code: SecretStr, throttle: Throttle | None = None
) -> FactorProof:
    return await use_recovery_code(
        house.db,
        throttle or house.throttle,
        house.clock,
        user_id=person.user.user_id,
        code=code,
        address="203.0.113.1",
    )


async def test_ten_codes_each_good_once(house: PeopleHouse, ada: Person) -> None:
    """Issue 4, item 4: 10, hashed, single use."""
    codes = await replace_recovery_codes(house.db, ada.user.user_id)
    assert 10 == len({code.get_secret_value() for code in codes})
    for left, code in zip(range(9, -1, -1), codes, strict=True):
        assert left == (await recover(house, ada, code)).recovery_codes_left
    with pytest.raises(FactorRefused):
        await recover(house, ada, codes[0])


async def test_a_new_set_ends_the_old_one(house: PeopleHouse, ada: Person) -> None:
    """Replaced as a set."""
    old = await replace_recovery_codes(house.db, ada.user.user_id)
    new = await replace_recovery_codes(house.db, ada.user.user_id)
    with pytest.raises(FactorRefused):
        await recover(house, ada, old[0])
    assert await recover(house, ada, new[0])


async def test_of_50_uses_of_one_recovery_code_exactly_one_passes(
    house: PeopleHouse, ada: Person
) -> None:
    """As for TOTP: the row is locked, and a digest that is gone is not found by who waited."""
    (code, *_) = await replace_recovery_codes(house.db, ada.user.user_id)
    found = await outcomes(*(recover(house, ada, code, house.open_door) for _ in range(50)))
    assert 1 == sum(isinstance(each, FactorProof) for each in found)
    assert 49 == sum(isinstance(each, FactorRefused) for each in found)
    assert 9 == (await find_enrolled(house.db, ada.user.user_id)).recovery_codes


async def test_codes_are_stored_by_digest_and_are_of_one_account(
    house: PeopleHouse, ada: Person, admin_dsn: str
) -> None:
    """P6, and one person's code is nobody else's."""
    bob = await house.person("bob@example.com")
    codes = await replace_recovery_codes(house.db, ada.user.user_id)
    await replace_recovery_codes(house.db, bob.user.user_id)
    with psycopg.connect(admin_dsn) as connection:
        (row,) = connection.execute(
            "select digests::text from meterr.recovery_codes where user_id = %s",
            [ada.user.user_id],
        ).fetchall()
    assert not any(code.get_secret_value()[:9] in row[0] for code in codes)
    with pytest.raises(FactorRefused):
        await recover(house, bob, codes[0])


def test_a_code_is_read_as_people_write_it() -> None:
    """Case, dashes, spaces and the letters that look like digits do not count."""
    (code, *_) = new_codes(lambda n: bytes(range(n)))
    text = code.get_secret_value()
    assert "0123-4567-89ab-cdef-ghjk-mnpq" == text
    for written in (
        text.upper(),
        text.replace("-", ""),
        f" {text.replace('-', ' ')} ",
        text.replace("0", "O").replace("1", "l"),
    ):
        assert digest_of("u", code) == digest_of("u", SecretStr(written))
    for wrong in ("", text[:-1], text + "q", "é" * 24, text.replace("q", "u")):
        assert digest_of("u", SecretStr(wrong)) is None
