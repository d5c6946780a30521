"""Recovery codes: ten at a time, 120 bits each, good once. Pure."""

import hashlib
import re
from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

CODES: Final = 10
CHARS: Final = 24
# Without i, l, o, u: people write these down.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_SHAPE: Final = re.compile(rf"[{_ALPHABET}]{{{CHARS}}}")
_READ_AS: Final = str.maketrans("ilo", "110")
_LABEL: Final = b"meterr recovery code\0"


def new_codes(randomness: Callable[[int], bytes]) -> tuple[SecretStr, ...]:
    """Return ten codes in groups of four; ``randomness(n)`` must yield bytes nobody can guess."""
    codes = []
    for _ in range(CODES):
        text = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in randomness(CHARS))
        codes.append(SecretStr("-".join(text[at : at + 4] for at in range(0, CHARS, 4))))
    return tuple(codes)


def digest_of(user_id: str, code: SecretStr) -> bytes | None:
    """
    Return what the database knows a code by, or None when no code looks like that.

    Case, dashes and spaces do not count. A plain SHA-256 is enough for 120 random bits (ASVS
    6.5.2 asks for 112); the account is part of it, so equal codes of two people do not show.
    """
    text = code.get_secret_value()[:100].lower().translate(_READ_AS)
    typed = "".join(letter for letter in text if not letter.isspace() and letter != "-")
    if _SHAPE.fullmatch(typed) is None:
        return None
    return hashlib.sha256(_LABEL + f"{user_id}\0{typed}".encode("ascii")).digest()
