"""What an access token says, and when that counts. Pure: the time is an argument."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterr.core.tokens.errors import Flaw, TokenRefused

_TEXTS: Final = ("iss", "aud", "sub", "sid", "jti")
_TIMES: Final = ("iat", "nbf", "exp")
_NAMES: Final = frozenset((*_TEXTS, *_TIMES))
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SECONDS_MAX: Final = 1 << 40  # in some 30,000 years; any clock of ours is far below


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What all tokens of an installation have in common.

    ``life_s_max`` is the longest life that one may have, ``leeway_s`` how far the clocks of hosts
    may differ: a token counts that much before its time and after it.
    """

    issuer: str
    audience: str
    life_s_max: int
    leeway_s: int = 5


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose token it is, of which session, from when to when; times are Unix seconds."""

    user_id: str
    session_id: str
    token_id: str
    issued_at_s: int
    expires_at_s: int


def written(claims: Claims, rules: Rules) -> dict[str, object]:
    """Return the payload that says ``claims``."""
    return {
        "iss": rules.issuer,
        "aud": rules.audience,
        "sub": claims.user_id,
        "sid": claims.session_id,
        "jti": claims.token_id,
        "iat": claims.issued_at_s,
        "nbf": claims.issued_at_s,
        "exp": claims.expires_at_s,
    }


def read(payload: Mapping[str, object], now_s: int, rules: Rules) -> Claims:
    """
    Return what a payload says, if it counts at ``now_s``.

    Raises TokenRefused: claims are missing, unknown, of another type or for others; the token
    lives longer than any of ours, is over, or has not begun.
    """
    if payload.keys() != _NAMES:
        raise TokenRefused(Flaw.CLAIMS)
    issuer, audience, user_id, session_id, token_id = (_text(payload[name]) for name in _TEXTS)
    issued_at_s, begins_at_s, expires_at_s = (_seconds(payload[name]) for name in _TIMES)
    if (issuer, audience) != (rules.issuer, rules.audience):
        raise TokenRefused(Flaw.CLAIMS)
    if not all(map(_UUID.fullmatch, (user_id, session_id, token_id))):
        raise TokenRefused(Flaw.CLAIMS)
    if begins_at_s != issued_at_s or not 0 < expires_at_s - issued_at_s <= rules.life_s_max:
        raise TokenRefused(Flaw.LIFE)
    if now_s >= expires_at_s + rules.leeway_s:
        raise TokenRefused(Flaw.EXPIRED)
    if now_s < issued_at_s - rules.leeway_s:
        raise TokenRefused(Flaw.EARLY)
    return Claims(user_id, session_id, token_id, issued_at_s, expires_at_s)


def _text(value: object) -> str:
    # An `aud` that is a list may hold us beside others: such a token is not for us.
    if not isinstance(value, str):
        raise TokenRefused(Flaw.CLAIMS)
    return value


def _seconds(value: object) -> int:
    # True is an int in Python, and no time.
    if type(value) is not int or not 0 <= value <= _SECONDS_MAX:
        raise TokenRefused(Flaw.CLAIMS)
    return value
