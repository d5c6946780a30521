"""
What a new password must be, after NIST SP 800-63B-4. Pure.

Length and a list of what everybody tries first; no composition rules, no expiry. A text is compared
in Unicode form NFKC, so that one keyboard's way to write it is the other's; all of it counts.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from pydantic import SecretStr
from zxcvbn_rs_py import zxcvbn

from meterr.core.errors import Invalid

CHARS_MIN_ALONE: Final = 15
CHARS_MIN_WITH_FACTOR: Final = 8
BYTES_MAX: Final = 1024
"""Of UTF-8: room for 256 characters of any script. Longer texts are refused, never cut."""

# zxcvbn's grades: 10^8 guesses for a password that stands alone; behind a second factor and a
# throttle 10^6 do, or no password of eight random letters would pass.
_GRADE_ALONE: Final = 3
_GRADE_WITH_FACTOR: Final = 2
# It takes the start of a text for all of it: time grows with the square of its length.
_JUDGED_CHARS: Final = 100
_PRODUCT_WORDS: Final = ("meterr",)
_OTHER_CHARS_MIN: Final = 4


def normalised(password: SecretStr) -> bytes | None:
    """Return the bytes that are hashed, or None for what cannot be anybody's password."""
    text = password.get_secret_value()
    if not text or len(text) > BYTES_MAX:
        return None
    try:
        encoded = unicodedata.normalize("NFKC", text).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= BYTES_MAX else None


def is_short(password: bytes) -> bool:
    """Return whether a password may not stand alone."""
    return len(password.decode("utf-8")) < CHARS_MIN_ALONE


def checked_password(password: SecretStr, *, with_factor: bool, own_words: Iterable[str]) -> bytes:
    """
    Return the bytes of a new password, ready to be hashed.

    Args:
        password: As typed. Anything printable counts, spaces too; nothing is trimmed.
        with_factor: Whether a second factor is needed beside it.
        own_words: The account's own: address, name, tenant.

    Raises:
        Invalid: too short, too long, or easy to guess. The text never repeats the password.
    """
    encoded = normalised(password)
    if encoded is None:
        raise Invalid(
            f"password is empty, no text, or longer than {BYTES_MAX} bytes.", param="password"
        )
    text = encoded.decode("utf-8")
    chars_min = CHARS_MIN_WITH_FACTOR if with_factor else CHARS_MIN_ALONE
    if len(text) < chars_min:
        raise Invalid(
            f"password needs {chars_min} characters or more; a few unrelated words do.",
            param="password",
        )
    words = [word for word in (*own_words, *_PRODUCT_WORDS) if word]
    grade = _GRADE_WITH_FACTOR if with_factor else _GRADE_ALONE
    if _made_of(text, words) or int(zxcvbn(text[:_JUDGED_CHARS], words).score) < grade:
        raise Invalid(
            "password is among those that are tried first, or made of your own address or name. "
            "Take a few unrelated words.",
            param="password",
        )
    return encoded


def _made_of(text: str, words: Iterable[str]) -> bool:
    """Return whether hardly anything is left of a text without the account's own words."""
    left = text.casefold()
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word.casefold(), " ")
    others = {letter for letter in left if letter.isalnum()}
    return " " in left and len(others) < _OTHER_CHARS_MIN
