"""Sessions as the settings say, composed as a process that serves people will."""

import asyncio
import os
import secrets

import psycopg
import pytest
from pydantic import SecretStr

from meterr.app.people import open_people
from meterr.app.sessions import open_sessions
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError, load
from meterr.core.crypto import KeyEncryptionKeys, mint
from meterr.core.settings import Settings
from meterr.core.telemetry import Telemetry
from meterr.identity import Keyring
from meterr.identity.passwords import SignInRefused
from meterr.identity.sessions import SessionClient, SessionRefused
from meterr.identity.sessions.cookies import OriginRefused
from meterr.identity.trust import Standing
from support.identity import until

KEYS = KeyEncryptionKeys(mint("k1", os.urandom))
CLOCK = SystemClock()
TELEMETRY = Telemetry(CLOCK)


def settings(**given: object) -> Settings:
    named = {name.replace("__", "."): value for name, value in given.items()}
    return load({"data_dir": "/nowhere", **named}, {}, None).settings


def keyring() -> Keyring:
    return Keyring.from_secrets(SecretStr(secrets.token_hex(32)))


async def test_the_settings_become_services(database_url: str) -> None:
    """Issue 4, item 5: lifetimes, cookies and a listener that runs."""
    chosen = settings(
        sign_in__origin="https://meterr.example.com", session__access_s=120, session__idle_s=900
    )
    ring = keyring()
    async with (
        open_people(chosen, database_url, ring, CLOCK) as people,
        open_sessions(chosen, database_url, ring, KEYS, CLOCK, people, TELEMETRY) as services,
    ):
        issuer = services.sign_in.issuer
        assert (120, 900) == (issuer.lifetimes.access_s, issuer.lifetimes.idle_s)
        assert ("https://meterr.example.com", 120) == (issuer.rules.issuer, issuer.rules.life_s_max)
        assert services.cookies is not None
        assert "__Host-meterr" == services.cookies.access_name
        await until(lambda: services.authority.state is Standing.LIVE)
        with pytest.raises(SignInRefused):
            await services.sign_in.with_password(
                "nobody@example.com",
                SecretStr("walnut orbit lantern"),
                SessionClient("203.0.113.1", ""),
            )
        with pytest.raises(SessionRefused):
            await services.authority.signed_in("a.b.c")


async def test_the_key_of_tokens_changes_on_its_own(database_url: str, admin_dsn: str) -> None:
    """Issue 4.5: rotation with overlap, without anybody who thinks of it; the log says so."""
    ring, chosen = keyring(), settings(session__signing_key_s=86400)
    reading, writing = os.pipe()
    with os.fdopen(reading) as log:
        telemetry = Telemetry(CLOCK, fd=writing)
        async with open_people(chosen, database_url, ring, CLOCK) as people:
            given = (chosen, database_url, ring, KEYS, CLOCK, people, telemetry)
            async with open_sessions(*given) as services:
                first = await services.sign_in.issuer.keys.current()
            with psycopg.connect(admin_dsn) as connection:
                connection.execute(
                    "update meterr.signing_key set created_at = created_at - interval '1 day'"
                )
            async with open_sessions(*given) as services:
                keys = services.sign_in.issuer.keys
                told = await asyncio.to_thread(log.readline)
                assert first.kid != (await keys.current()).kid
                assert (await keys.current()).kid in told
                assert "signing_key_rotated" in told
        telemetry.flush()
        os.close(writing)


async def test_without_an_origin_there_are_no_cookies(database_url: str) -> None:
    """Nothing is guessed from a request's Host: programs with bearer tokens still work."""
    ring = keyring()
    async with (
        open_people(settings(), database_url, ring, CLOCK) as people,
        open_sessions(settings(), database_url, ring, KEYS, CLOCK, people, TELEMETRY) as services,
    ):
        assert services.cookies is None


async def test_an_origin_in_clear_is_refused_at_start(database_url: str) -> None:
    """S1:179, row 35: staging without https sent its cookies in clear."""
    ring = keyring()
    async with open_people(settings(), database_url, ring, CLOCK) as people:
        wrong = settings(sign_in__origin="http://meterr.example.com")
        with pytest.raises(OriginRefused):
            async with open_sessions(wrong, database_url, ring, KEYS, CLOCK, people, TELEMETRY):
                pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"session__access_s": 3600},
        {"session__access_s": 0},
        {"session__access_s": 900, "session__idle_s": 900},
        {"session__idle_s": 7200, "session__absolute_s": 3600},
        {"session__per_person_max": 0},
        {"session__signing_key_s": 3600},
    ],
    ids=str,
)
def test_lifetimes_that_make_no_sense_are_told_at_start(wrong: dict[str, object]) -> None:
    """S1:171, row 33: an hour for a token is refused by the setting itself."""
    with pytest.raises(ConfigurationError):
        settings(**wrong)
