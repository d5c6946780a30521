"""What people sign in with, as the settings say."""

import json
import secrets
import uuid

import pytest
from pydantic import SecretStr

from meterr.app.people import open_people
from meterr.core.clock import SystemClock
from meterr.core.configuration import ConfigurationError, load
from meterr.core.policy import PLATFORM
from meterr.core.settings import Settings
from meterr.identity import Keyring
from meterr.identity.factors.relying_party import RelyingPartyRefused
from meterr.identity.passwords import SignInRefused, check_password
from support.sealed import new_key


def settings(**sign_in: object) -> Settings:
    given = {f"sign_in.{name}": value for name, value in sign_in.items()}
    return load({"data_dir": "/nowhere", **given}, {}, None).settings


async def test_the_settings_become_services(database_url: str) -> None:
    """Issue 4, item 4: domain and origin of passkeys, the gate and the step-up from settings."""
    keyring = Keyring.from_secrets(SecretStr(secrets.token_hex(32)))
    chosen = settings(origin="https://meterr.example.com", rp_id="example.com", step_up_s=120)
    async with open_people(chosen, database_url, keyring, SystemClock()) as people:
        assert people.passkeys is not None
        asked = json.loads(await people.passkeys.begin_sign_in("203.0.113.9"))
        assert "example.com" == asked["rpId"]
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
        assert people.vault is None


async def test_with_a_key_encryption_key_there_is_totp(database_url: str) -> None:
    """S1:222: what an app shows codes from is stored sealed, or not at all."""
    keyring = Keyring.from_secrets(SecretStr(secrets.token_hex(32)))
    given = {"data_dir": "/nowhere", "key_encryption_key": new_key("k1").text()}
    chosen = load(given, {}, None).settings
    async with open_people(chosen, database_url, keyring, SystemClock()) as people:
        assert people.vault is not None
        await people.vault.prepare()
        async with people.db.tenant_transaction(PLATFORM) as connection:
            row = (str(uuid.uuid4()), str(uuid.uuid4()))
            sealed = await people.vault.seal(connection, *row, b"a secret")
            assert b"a secret" == await people.vault.open(connection, *row, sealed)


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
