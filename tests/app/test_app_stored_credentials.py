"""Stored provider credentials in running gateways: they win, are followed, and never leak."""

import asyncio
import json
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys
from meterr.core.crypto.key_file import create_file, open_file
from meterr.core.db import Database, Role
from meterr.core.postgres import EmbeddedPostgres
from meterr.identity import provider_credentials
from meterr.simulator.credentials import digest
from support.conversation import BODIES, CHAT, COUNT_TOKENS, MESSAGES, Conversation, shared_house
from support.meterr_house import PROVIDER_SECRET
from support.sealed import new_key

STORED = "sk-stored-credential-canary-55aa90"
PLAIN_WORDS = "no-shape-of-a-credential-canary"
CHANGED = "sk-changed-credential-canary-0f1e2d"


@pytest.fixture(scope="module")
def house(postgres: EmbeddedPostgres) -> Iterator[Conversation]:
    """A gateway with a key file, as ``meterr up`` makes it, and a key of its own."""
    with shared_house(postgres) as talk:
        create_file(talk.house.data_dir / "key-encryption-keys", lambda: new_key("k1"))
        serve_again(talk)
        yield talk


def serve_again(talk: Conversation) -> None:
    """Start the gateway again, on another port."""
    talk.house.serve_again()
    talk.__dict__.pop("wire", None)


def keys(talk: Conversation) -> KeyEncryptionKeys:
    return open_file(talk.house.data_dir / "key-encryption-keys")


async def store(talk: Conversation, upstream: str, secret: str) -> None:
    async with Database.open(talk.house.database_url, Role.APP) as db:
        data_keys = DataKeys(keys(talk), SystemClock())
        await provider_credentials.set_credential(
            db, data_keys, upstream, SecretStr(secret), created_by="a test"
        )


async def remove(talk: Conversation, upstream: str) -> None:
    async with Database.open(talk.house.database_url, Role.APP) as db:
        await provider_credentials.remove_credential(db, upstream)


def shown(talk: Conversation, path: str) -> str:
    """Make a call; return the digest of the credential that the provider was shown."""
    answer = talk.post(path, BODIES[path])
    assert 200 == answer.status, answer.body
    (value,) = talk.call(answer)["credentials"].values()
    return str(value)


def undecryptable(talk: Conversation) -> list[str]:
    """Return the upstreams whose credential was recorded as one that does not open."""
    with psycopg.connect(talk.house.admin_dsn) as connection:
        rows = connection.execute(
            """select distinct target_id from meterr.security_event
                where kind = 'credential.undecryptable' and severity = 'critical'"""
        ).fetchall()
    return [target for (target,) in rows]


def test_a_stored_credential_wins_and_is_followed(house: Conversation) -> None:
    """Written while the gateway runs, changed, removed: each is in force within some seconds."""
    assert digest(PROVIDER_SECRET) == shown(house, CHAT)

    for secret in (STORED, CHANGED):
        asyncio.run(store(house, "openai", secret))
        house.house.until(lambda secret=secret: digest(secret) == shown(house, CHAT))
    assert digest(PROVIDER_SECRET) == shown(house, MESSAGES)

    body = {**BODIES[CHAT], "model": PLAIN_WORDS}
    asyncio.run(store(house, "openai", PLAIN_WORDS))
    house.house.until(lambda: digest(PLAIN_WORDS) == shown(house, CHAT))
    assert 404 == house.post(CHAT, body).status

    asyncio.run(remove(house, "openai"))
    house.house.until(lambda: digest(PROVIDER_SECRET) == shown(house, CHAT))
    logged = "\n".join(house.house.meterr.lines)
    assert '"event":"credential_loaded"' in logged
    assert STORED not in logged
    assert CHANGED not in logged
    assert PLAIN_WORDS not in logged
    assert '"model":"[redacted]"' in logged


def test_a_stored_credential_that_cannot_be_read_is_not_replaced_by_another(
    house: Conversation,
) -> None:
    """S1:241: an altered value is refused with 503; the configured credential is not a fallback."""
    asyncio.run(store(house, "anthropic", STORED))
    house.house.until(lambda: digest(STORED) == shown(house, MESSAGES))

    with psycopg.connect(house.house.admin_dsn) as connection:
        connection.execute(
            """update meterr.provider_credential
                  set secret = set_byte(secret, 30, get_byte(secret, 30) # 1)
                where upstream = 'anthropic'"""
        )
    house.house.until(lambda: 503 == house.post(MESSAGES, BODIES[MESSAGES]).status)

    refused = house.post(COUNT_TOKENS, BODIES[COUNT_TOKENS])
    assert 503 == refused.status
    assert "1" == refused.headers["retry-after"]
    assert STORED.encode() not in refused.body
    assert 200 == house.post(CHAT, BODIES[CHAT]).status
    lines = [json.loads(line) for line in house.house.meterr.lines if "unreadable" in line]
    assert {"credential of anthropic"} == {line["where"] for line in lines}
    assert {"Unreadable"} == {line["error_type"] for line in lines}

    house.house.until(lambda: ["anthropic"] == undecryptable(house))

    asyncio.run(store(house, "anthropic", CHANGED))
    house.house.until(lambda: 200 == house.post(MESSAGES, BODIES[MESSAGES]).status)
    assert digest(CHANGED) == shown(house, MESSAGES)


def test_a_gateway_without_the_key_withholds_what_is_stored(house: Conversation) -> None:
    """A host that lacks the key does not quietly use another credential."""
    asyncio.run(store(house, "anthropic", STORED))
    file = house.house.data_dir / "key-encryption-keys"
    away = file.rename(file.with_name("away"))
    serve_again(house)

    assert 503 == house.post(MESSAGES, BODIES[MESSAGES]).status
    assert 200 == house.post(CHAT, BODIES[CHAT]).status

    away.rename(file)
    serve_again(house)
    assert digest(STORED) == shown(house, MESSAGES)
