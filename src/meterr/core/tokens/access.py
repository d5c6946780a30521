"""Signing access tokens, and verifying them: cheap and blunt first, the signature before claims."""

import json
from collections.abc import Callable
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError

from meterr.core.tokens import claims as spoken
from meterr.core.tokens.claims import Claims, Rules
from meterr.core.tokens.compact import object_in, parts_of
from meterr.core.tokens.errors import Flaw, TokenRefused
from meterr.core.tokens.keys import ALGORITHM, SigningKey, VerifyingKey, is_kid

TYPE: Final = "meterr-access+jwt"
_HEADER: Final = frozenset({"alg", "typ", "kid"})
_SIGNATURE_BYTES: Final = 64


def sign(key: SigningKey, claims: Claims, rules: Rules) -> str:
    """Return the token that says ``claims``. What ``verify`` would refuse is not signed either."""
    payload = json.dumps(spoken.written(claims, rules), separators=(",", ":")).encode()
    spoken.read(object_in(payload), claims.issued_at_s, rules)
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    return jws.serialize_compact(header, payload, key.jwk, algorithms=[ALGORITHM])


def verify(
    token: str, key_of: Callable[[str], VerifyingKey | None], now_s: int, rules: Rules
) -> Claims:
    """
    Return what a token says, if all of it is ours and counts now.

    Args:
        token: What somebody presented.
        key_of: Returns our key of that name, None for every other name. Asked at most once.
        now_s: Unix seconds.
        rules: What our tokens have in common.

    Raises:
        TokenRefused: for whatever is wrong, and for nothing else.

    Does not know whether the session still lasts.
    """
    header, payload, signature = parts_of(token)
    key = _key(header, key_of)
    if len(signature) != _SIGNATURE_BYTES:
        raise TokenRefused(Flaw.SIGNATURE)
    try:
        jws.deserialize_compact(token, key.jwk, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise TokenRefused(Flaw.SIGNATURE) from None
    return spoken.read(object_in(payload), now_s, rules)


def _key(header: bytes, key_of: Callable[[str], VerifyingKey | None]) -> VerifyingKey:
    members = object_in(header)
    # Exactly these: so no crit, no b64, no jwk, jku, x5u or x5c, whatever a library does with it.
    if members.keys() != _HEADER or (members["alg"], members["typ"]) != (ALGORITHM, TYPE):
        raise TokenRefused(Flaw.HEADER)
    name = members["kid"]
    if not isinstance(name, str) or not is_kid(name):
        raise TokenRefused(Flaw.HEADER)
    key = key_of(name)
    if key is None or key.kid != name:
        raise TokenRefused(Flaw.KEY)
    return key
