"""P6 for people: a secret driven through every path is in no table, error, repr or log."""

import logging
import os
import traceback

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.errors import MeterrError
from meterr.core.policy import Role
from meterr.identity.factors import (
    begin_totp,
    check_totp,
    confirm_totp,
    replace_recovery_codes,
    use_recovery_code,
)
from meterr.identity.passwords import Cost, Hasher, change_password, check_password
from support.people import HERE, PASSWORD, SECRET, PeopleHouse, code_at

CANARY = "kanarienvogel-7Q4Z-in-der-mine"
TYPED = SecretStr(CANARY)


@pytest.fixture
async def house(database_url: str):
    async with PeopleHouse.open(database_url) as opened:
        yield opened


def everything(admin_dsn: str) -> str:
    """Return every row of every table of ours as text, bytes in both spellings."""
    text = []
    with psycopg.connect(admin_dsn) as connection:
        tables = connection.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'p')"
            " and relnamespace = 'meterr'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f"select to_jsonb(t)::text from {table} t").fetchall():
                text.append(row)
    return "\n".join(text)


async def told(attempt) -> str:
    """Return all that can be seen of what an attempt answers or raises, traceback included."""
    try:
        return repr(await attempt)
    except MeterrError as error:
        shown = [error.detail, error.private, error.reason, str(error), repr(error)]
        return "\n".join([*shown, *traceback.format_exception(error)])


async def test_a_password_is_nowhere(
    house: PeopleHouse, admin_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Set, right, wrong, typed as an address, changed, hashed again, refused when too short."""
    caplog.set_level(logging.DEBUG)
    claim = await house.invite("ada@example.com", Role.ADMIN)
    seen = [repr(claim), await told(house.take_up(claim, TYPED))]
    services = (house.db, house.hasher, house.throttle)
    with Hasher.open(randomness=os.urandom, cost=Cost(memory_kib=16, passes=1)) as stronger:
        for email, password, hasher in (
            ("ada@example.com", TYPED, stronger),
            ("ada@example.com", SecretStr(CANARY + "x"), house.hasher),
            ("nobody@example.com", TYPED, house.hasher),
            (CANARY, TYPED, house.hasher),
            (f"{CANARY}@example.com", TYPED, house.hasher),
        ):
            seen.append(
                await told(
                    check_password(
                        house.db,
                        hasher,
                        house.throttle,
                        email=email,
                        password=password,
                        address=HERE,
                    )
                )
            )
        seen.append(repr(stronger))
    person = await house.person("bob@example.com")
    for new in (SecretStr(CANARY[:14]), SecretStr(CANARY * 50), TYPED):
        changed = change_password(
            *services,
            user_id=person.user.user_id,
            current=PASSWORD,
            new=new,
            address="203.0.113.77",
        )
        seen += [await told(changed)]
    text = "\n".join([*seen, everything(admin_dsn), caplog.text])

    assert "m=16" in text
    assert CANARY[:14] not in text
    assert CANARY.encode().hex()[:28] not in text


async def test_claims_codes_and_secrets_are_nowhere(
    house: PeopleHouse, admin_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Shown once, to the one who asked; known afterwards by digest or sealed."""
    caplog.set_level(logging.DEBUG)
    claim = await house.invite("ada@example.com")
    taken = await house.take_up(claim)
    person = await house.person("bob@example.com")
    ask = {"user_id": person.user.user_id, "address": HERE}
    services = (house.db, house.vault, house.throttle, house.clock)
    enrolment = await begin_totp(
        house.db, house.ids, house.vault, person, randomness=lambda n: SECRET[:n]
    )
    code = code_at(SECRET, house.clock.now_ms // 1000)
    codes = await replace_recovery_codes(house.db, person.user.user_id)
    seen = [
        repr(enrolment),
        repr(codes),
        repr(taken),
        await told(house.take_up(claim)),
        await told(confirm_totp(*services, code=code, **ask)),
        await told(check_totp(*services, code=code, **ask)),
        await told(use_recovery_code(house.db, house.throttle, house.clock, code=codes[0], **ask)),
        await told(use_recovery_code(house.db, house.throttle, house.clock, code=codes[0], **ask)),
    ]
    text = "\n".join([*seen, everything(admin_dsn), caplog.text])

    secrets = [
        claim.token.get_secret_value(),
        enrolment.secret.get_secret_value(),
        SECRET.hex(),
        *(each.get_secret_value() for each in codes),
        *(each.get_secret_value().replace("-", "") for each in codes),
    ]
    assert [] == [secret for secret in secrets if secret in text]
    assert code not in "\n".join(seen)
