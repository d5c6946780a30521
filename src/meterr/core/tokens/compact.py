"""
The compact form of a JWS, in its one spelling. Pure.

RFC 7515 leaves room that libraries use: padding, white space, unused bits in the last character,
names that stand twice. Here a text is spelt as we spell it, or it is no token.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final, NoReturn

from meterr.core.tokens.errors import Flaw, TokenRefused

TOKEN_CHARS_MAX: Final = 1024
"""Ours have about 480. Looked at before anything else: strangers' texts cost no more than this."""
_PARTS: Final = 3
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def parts_of(token: str) -> tuple[bytes, bytes, bytes]:
    """Return header, payload and signature as bytes. Raises TokenRefused (form)."""
    if not 0 < len(token) <= TOKEN_CHARS_MAX:
        raise TokenRefused(Flaw.FORM)
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise TokenRefused(Flaw.FORM)
    header, payload, signature = map(_decoded, parts)
    return header, payload, signature


def object_in(part: bytes) -> Mapping[str, object]:
    """
    Return the JSON object that a part holds. Raises TokenRefused (json).

    Names stand once, numbers are whole and written as digits, there is no NaN and no Infinity.
    """
    try:
        found = json.loads(
            part.decode("utf-8"),
            object_pairs_hook=_each_once,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise TokenRefused(Flaw.JSON) from None
    if not isinstance(found, dict):
        raise TokenRefused(Flaw.JSON)
    return found


def encoded(part: bytes) -> str:
    """Return a part as base64url without padding."""
    return urlsafe_b64encode(part).decode("ascii").rstrip("=")


def _decoded(part: str) -> bytes:
    """Return the bytes of canonical base64url; what decodes to the same bytes is not the same."""
    if not part or not _LETTERS.issuperset(part):
        raise TokenRefused(Flaw.FORM)
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise TokenRefused(Flaw.FORM) from None
    if encoded(raw) != part:
        raise TokenRefused(Flaw.FORM)
    return raw


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenRefused(Flaw.JSON)
    return found


def _refuse(_: str) -> NoReturn:
    raise TokenRefused(Flaw.JSON)
