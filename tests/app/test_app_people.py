"""What people sign in with, as the settings say."""

import secrets

import pytest
from pydantic import SecretStr

from meterr.app.people import open_people
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError, load
from meterr.core.settings import Settings
from meterr.identity import Keyring
from meterr.identity.factors.relying_party import RelyingPartyRefused
from meterr.identity.passwords import SignInRefused, check_password


def settings(**sign_in: object) -> Settings:
    given = {f"sign_in.{name}": value for name, value in sign_in.items()}
    return load({"data_dir": "/nowhere", **given}, {}, None).settings


async def test_the_settings_become_services(database_url: str) -> None:
    """Issue 4, item 4: domain and origin of passkeys, the gate and the step-up from settings."""
    keyring = Keyring.from_secrets(SecretStr(secrets.token_hex(32)))
    chosen = settings(origin="https://meterr.example.com", rp_id="example.com", step_up_s=120)
    async with open_people(chosen, database_url, keyring, SystemClock()) as people:
        assert people.passkeys is not None
        party = people.passkeys.relying_party
        assert ("example.com", "https://meterr.example.com") == (party.rp_id, party.origin)
        assert 120_000 == people.step_up_ms
        with pytest.raises(SignInRefused):
            await check_password(
                people.db,
                people.hasher,
                people.throttle,
                email="nobody@example.com",
                password=SecretStr("walnut orbit ceramic lantern"),
                address="203.0.113.1",
            )


async def test_without_an_origin_there_are_no_passkeys(database_url: str) -> None:
    """Nothing is guessed from a request's Host."""
    keyring = Keyring.from_secrets(SecretStr(secrets.token_hex(32)))
    async with open_people(settings(), database_url, keyring, SystemClock()) as people:
        assert people.passkeys is None


async def test_an_origin_that_cannot_work_is_told_at_start(database_url: str) -> None:
    """And a step-up of zero seconds, or of a day, by the settings themselves."""
    keyring = Keyring.from_secrets(SecretStr(secrets.token_hex(32)))
    wrong = settings(origin="http://meterr.example.com")
    with pytest.raises(RelyingPartyRefused):
        async with open_people(wrong, database_url, keyring, SystemClock()):
            pass
    for seconds in (0, 86_400):
        with pytest.raises(ConfigurationError):
            settings(step_up_s=seconds)
