"""
Refresh tokens: opaque to everybody else, made and read here. Pure; randomness is an argument.

A token is ``meterr_refresh_`` (for scanners, and for our own log) and ``session id, 16 bytes |
generation, 4 | secret, 32 | tag, 16`` in base64url. The tag is made with the installation's
pepper: what we did not write never reaches the database, and what we wrote long ago is known as
ours without a list of it. The database has a digest of the one that is good and of the one before;
the tag alone opens nothing.

The next secret is made from the token before it, a salt of the database's and the pepper. So
whoever sends one token twice within the grace gets one and the same next token, though nobody
stored it.
"""

import base64
import hashlib
import hmac
import struct
import uuid
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

Macs = Callable[[bytes], tuple[bytes, ...]]
"""Keyed digests of 32 bytes under each pepper that counts, the current one first: Keyring.macs."""

SECRET_BYTES: Final = 32
SALT_BYTES: Final = 32
TOKEN_CHARS: Final = 106
_PREFIX: Final = "meterr_refresh_"
_TAG_BYTES: Final = 16
_HEAD: Final = struct.Struct(">16sI")
_BODY_BYTES: Final = _HEAD.size + SECRET_BYTES
_TAG: Final = b"meterr refresh tag 1\0"
_NEXT: Final = b"meterr refresh next 1\0"
_DIGEST: Final = b"meterr refresh digest 1\0"


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that we wrote some time; whether it still is good only its family knows."""

    session_id: str
    generation: int
    raw: bytes = field(repr=False)


def mint(session_id: str, generation: int, secret: bytes, macs: Macs) -> SecretStr:
    """Return the token with ``secret``, which is 32 random bytes."""
    return _written(_body(session_id, generation, secret), macs, 0)


def read(token: SecretStr, macs: Macs) -> Presented | None:
    """Return what a token says if it is one of ours, else None. Its one spelling only."""
    text = token.get_secret_value()
    if len(text) != TOKEN_CHARS or not text.startswith(_PREFIX) or not text.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(text[len(_PREFIX) :] + "=")
    except NotBase64:
        return None
    body, tag = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    if not any(hmac.compare_digest(each[:_TAG_BYTES], tag) for each in macs(_TAG + body)):
        return None
    if _encoded(raw) != text:
        return None
    session_id, generation = _HEAD.unpack_from(body)
    return Presented(str(uuid.UUID(bytes=session_id)), generation, raw)


def successors(presented: Presented, salt: bytes, macs: Macs) -> Iterator[SecretStr]:
    """Yield the token that follows, as each pepper makes it, the current one first."""
    for place, secret in enumerate(macs(_NEXT + salt + presented.raw)):
        body = _body(presented.session_id, presented.generation + 1, secret)
        yield _written(body, macs, place)


def digest_of(token: SecretStr) -> bytes:
    """Return what the database knows a token by."""
    return _digest(token.get_secret_value())


def digest_of_presented(presented: Presented) -> bytes:
    """Return the same of a token that was read."""
    return _digest(_encoded(presented.raw))


def _digest(text: str) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256(_DIGEST + text.encode("ascii")).digest()


def _body(session_id: str, generation: int, secret: bytes) -> bytes:
    return _HEAD.pack(uuid.UUID(session_id).bytes, generation) + secret


def _written(body: bytes, macs: Macs, place: int) -> SecretStr:
    return SecretStr(_encoded(body + macs(_TAG + body)[place][:_TAG_BYTES]))


def _encoded(raw: bytes) -> str:
    return _PREFIX + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
