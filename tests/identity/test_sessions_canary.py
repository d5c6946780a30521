"""P6 for sessions: tokens driven through every path are in no table, error, repr, notice or log."""

import logging
import traceback

import psycopg
import pytest
from pydantic import SecretStr
from test_identity_people_canary import everything

from meterr.core.errors import MeterrError
from meterr.identity.sessions import Cookies, CookiesRefused
from support.people import PASSWORD, outcomes
from support.sessions import LAPTOP, PHONE, SessionHouse

COOKIES = Cookies.of("https://meterr.example.com")


@pytest.fixture
async def house(database_url: str):
    async with SessionHouse.open(database_url) as opened:
        yield opened


def shown(found: object) -> str:
    """Return all that can be seen of a result or an error, traceback included."""
    if not isinstance(found, Exception):
        return repr(found)
    text = [str(found), repr(found), *traceback.format_exception(found)]
    if isinstance(found, MeterrError):
        text += [found.detail, found.private, found.reason]
    return "\n".join(text)


async def test_tokens_are_nowhere(
    house: SessionHouse, admin_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Good, used, reused, cut, over, from the wrong place: seen by nobody but their bearer."""
    caplog.set_level(logging.DEBUG)
    person = await house.admin()
    outcome = await house.sign_in.with_password(person.user.email, PASSWORD, LAPTOP)
    challenge: SecretStr = outcome.challenge  # type: ignore[union-attr]  # an administrator owes one
    proof = await house.code(person)
    grant = await house.sign_in.finish(challenge, proof, LAPTOP)
    signed_in = await house.signed_in(grant)
    with psycopg.connect(house.dsn, autocommit=True) as listener:
        listener.execute("listen meterr_identity")
        following = await house.refreshed(grant)
        stepped = await house.sessions.step_up(signed_in, await house.code(person), PHONE)
        cut = SecretStr(stepped.refresh.get_secret_value()[:-1])
        broken = stepped.access.get_secret_value()[:-2]
        second = await house.refreshed(stepped)
        house.clock.advance(60)
        found = await outcomes(
            house.sign_in.finish(challenge, proof, LAPTOP),
            house.sign_in.pending(challenge),
            house.sessions.refresh(following.refresh, PHONE),
            house.sessions.refresh(cut, PHONE),
            house.sessions.refresh(stepped.access, PHONE),
            house.authority.signed_in(broken),
            house.authority.signed_in(second.refresh.get_secret_value()),
            house.authority.signed_in(grant.access.get_secret_value()),
            house.sessions.refresh(stepped.refresh, PHONE),
        )
        found += await outcomes(house.authority.signed_in(second.access.get_secret_value()))
        notices = [each.payload for each in listener.notifies(timeout=1, stop_after=50)]
    assert notices
    header = "; ".join(line.partition(";")[0] for line in COOKIES.set(second, 0))
    for wrong in (f"{header}; {header}", header.replace("=", '="', 1)):
        with pytest.raises(CookiesRefused) as refused:
            COOKIES.read([wrong])
        found.append(refused.value)
    seen = [*map(shown, found), *map(repr, (outcome, grant, following, stepped, second))]
    seen += [repr(COOKIES.read([header])), repr(house.issuer), repr(house.authority)]
    text = "\n".join([*seen, *notices, everything(admin_dsn), caplog.text])

    assert "signing_key" in text or "session_id" in text
    assert "reused" in text
    grants = (grant, following, stepped, second)
    secrets = [challenge.get_secret_value()]
    secrets += [each.refresh.get_secret_value() for each in grants]
    secrets += [each.access.get_secret_value().rpartition(".")[2] for each in grants]
    secrets.append((await house.signer.current()).seed().hex())
    assert [] == [secret for secret in secrets if secret in text or secret[20:50] in text]
