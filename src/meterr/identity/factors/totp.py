"""Time-based codes (RFC 6238): six digits, 30 seconds, one step either side. Pure."""

import base64
import hmac
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES: Final = 20
STEP_S: Final = 30
DIGITS: Final = 6
STEPS_EITHER_SIDE: Final = 1
_SHAPE: Final = re.compile(r"[0-9]{6}", re.ASCII)


def new_secret(randomness: Callable[[int], bytes]) -> bytes:
    """Return 160 bits that nobody can guess, as RFC 4226 asks for."""
    return randomness(SECRET_BYTES)


def uri(secret: bytes, account: str, issuer: str) -> str:
    """Return the ``otpauth`` address that an authenticator app reads from a QR code. A secret."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    query = urlencode({"secret": base32(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def base32(secret: bytes) -> str:
    """Return the secret as a person types it."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def matching_step(secret: bytes, code: str, unix_s: int) -> int | None:
    """
    Return the step whose code this is, of the present one and its neighbours; None for no code.

    A code is good once: the caller refuses a step that is not later than the last one accepted.
    SHA-1 is what authenticator apps speak; as an HMAC it is not weakened by its collisions.
    """
    typed = code.strip().replace(" ", "")
    if _SHAPE.fullmatch(typed) is None:
        return None
    clock = TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - see the docstring
    now = unix_s // STEP_S
    found = None
    for step in range(now - STEPS_EITHER_SIDE, now + STEPS_EITHER_SIDE + 1):
        if step > 0 and hmac.compare_digest(clock.generate(step * STEP_S), typed.encode("ascii")):
            found = step
    return found
