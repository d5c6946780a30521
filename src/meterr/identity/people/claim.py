"""Claim tokens: 256 bits that their bearer shows once. The database knows only their digest."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

CLAIM_HOURS: Final = 72
TOKEN_BYTES: Final = 32
_PREFIX: Final = "meterr_claim_"
_SHAPE: Final = re.compile(_PREFIX + r"[A-Za-z0-9_-]{43}")
_LABEL: Final = b"meterr claim\0"


def mint_claim(randomness: Callable[[int], bytes]) -> SecretStr:
    """Return a new token; ``randomness(n)`` must yield ``n`` bytes nobody can guess."""
    body = base64.urlsafe_b64encode(randomness(TOKEN_BYTES)).decode("ascii").rstrip("=")
    return SecretStr(_PREFIX + body)


def digest_of(token: SecretStr) -> bytes | None:
    """
    Return what the database knows a token by, or None when no token looks like that.

    A plain SHA-256 is enough: nobody can try out 256 random bits.
    """
    text = token.get_secret_value()
    if _SHAPE.fullmatch(text) is None:
        return None
    return hashlib.sha256(_LABEL + text.encode("ascii")).digest()
