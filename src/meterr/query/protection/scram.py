"""
SCRAM-SHA-256 for logins of our own making, without the rounds that a server asks for. Pure.

A server says how many rounds a password takes, up to two thousand million, and libpq computes them
all while nothing else in the process runs. Who brings the keys computes none of them. So the salt
follows from the password, which is 256 random bits and needs neither many rounds nor a secret salt.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from psycopg import pq
from pydantic import SecretStr

_ROUNDS: Final = 1000
_SALT_BYTES: Final = 16
_KNOWS_KEYS: Final = 18_00_00
"""libpq's first version that takes keys; an older one computes the rounds."""


def verifier(password: SecretStr) -> str:
    """Return what a server keeps of the password."""
    client, server = _keys(password)
    stored = _text(hashlib.sha256(client).digest())
    return f"SCRAM-SHA-256${_ROUNDS}:{_text(_salt(password))}${stored}:{_text(server)}"


def keys(password: SecretStr) -> Mapping[str, str]:
    """Return what libpq logs in with where ``verifier`` is kept, beside the password."""
    if pq.version() < _KNOWS_KEYS:
        return {}
    client, server = _keys(password)
    return {"scram_client_key": _text(client), "scram_server_key": _text(server)}


def _keys(password: SecretStr) -> tuple[bytes, bytes]:
    text = password.get_secret_value().encode("utf-8")
    salted = hashlib.pbkdf2_hmac("sha256", text, _salt(password), _ROUNDS)
    return hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(
        salted, b"Server Key", "sha256"
    )


def _salt(password: SecretStr) -> bytes:
    text = password.get_secret_value().encode("utf-8")
    return hmac.digest(text, b"meterr salt", "sha256")[:_SALT_BYTES]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
