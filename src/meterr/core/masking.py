"""
What a reader of logs may see of an e-mail address or a key: enough to find it again, no more.

Every mask is total: whatever the text, it returns a short one without quotes or backslashes, raises
nothing, and shows a part only of what it recognises whole.
"""

import hashlib
import hmac
import re
import unicodedata
from typing import Final

HIDDEN: Final = "[redacted]"
KEY_BYTES_MIN: Final = 16

_PSEUDONYM_HEX_CHARS: Final = 12  # 48 bits: two of a million addresses share one in 1 of 500 cases
_LAST_SHOWN: Final = 4
_OURS: Final = re.compile(r"sk-meterr_(live|test)_[0-9A-Za-z]{32}")
_EMAIL: Final = re.compile(r"[A-Za-z0-9][!-?A-~]{2,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_LENGTH_MAX: Final = 320  # beyond, no text is an address, only work


class Masker:
    """
    Masks addresses with a pseudonym: one address, one pseudonym under one key, so lines correlate.

    Without the key a pseudonym can neither be reversed nor tried. ``key`` is at least 16 secret
    bytes; processes and hosts that are to agree need the same one. With None there are masks and
    no pseudonyms.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes | None = None) -> None:
        if key is not None and len(key) < KEY_BYTES_MIN:
            raise ValueError(f"The key of pseudonyms needs {KEY_BYTES_MIN} bytes or more.")
        self.__key = key

    def email(self, address: str) -> str:
        """Return ``a***~1f0c…`` for an address: its first character, never its domain."""
        text = unicodedata.normalize("NFC", address).strip().casefold()
        shown = text[0] if len(text) <= _LENGTH_MAX and _EMAIL.fullmatch(text) else ""
        return f"{shown}***{self._pseudonym(text)}"

    def _pseudonym(self, text: str) -> str:
        if self.__key is None:
            return ""
        said = text.encode("utf-8", "surrogatepass")
        return "~" + hmac.new(self.__key, said, hashlib.sha256).hexdigest()[:_PSEUDONYM_HEX_CHARS]

    def __repr__(self) -> str:
        return "<Masker>"


def api_key(text: str) -> str:
    """Return ``sk-meterr_live_…x9Kp`` for a whole key of ours, as lists show it; else nothing."""
    ours = _OURS.fullmatch(text)
    return f"sk-meterr_{ours[1]}_…{text[-_LAST_SHOWN:]}" if ours else HIDDEN
