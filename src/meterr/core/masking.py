"""
What people may see of personal or secret text: a short mask and, where wanted, a pseudonym.

Every function here is total: whatever it is given, it returns a short text, raises nothing, and
shows more than a pseudonym only of what it recognises whole.
"""

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from typing import Final

HIDDEN: Final = "********"
ABSENT: Final = "-"
KEY_BYTES_MIN: Final = 16

_PSEUDONYM_HEX_CHARS: Final = 12  # 48 bits: two of a million addresses share one in 1 of 500 cases
_LAST_SHOWN: Final = 4
_SHOWN_OF_LENGTH_MIN: Final = 24  # four of 24 characters leave more than 100 bits unknown
_OURS: Final = re.compile(r"sk-meterr_(live|test)_[0-9A-Za-z]{32}")
_EMAIL: Final = re.compile(r"[A-Za-z0-9][!-?A-~]{2,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_LENGTH_MAX: Final = 1024  # beyond, no text is an address or a key, only work
_V4_SHOWN_BITS: Final = 24
_V6_SHOWN_BITS: Final = 48  # what a site is given; /64 would be one household


class Masker:
    """
    Masks with a pseudonym: the same text gets the same one under the same key, so lines correlate.

    Without the key a pseudonym can neither be reversed nor tried. ``key`` is at least 16 secret
    bytes; processes and hosts that are to agree need the same one.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"The key of pseudonyms needs {KEY_BYTES_MIN} bytes or more.")
        self.__key = key

    def email(self, value: object) -> str:
        """Return ``a***~1f0c…`` for an address: its first character, never its domain."""
        text = _text(value).casefold()
        if not text:
            return _empty(value)
        shown = text[0] if len(text) <= _LENGTH_MAX and _EMAIL.fullmatch(text) else ""
        return f"{shown}***~{self._pseudonym('email', text)}"

    def api_key(self, value: object) -> str:
        """Return ``sk-meterr_live_…x9Kp`` for our keys; of long others, the last 4."""
        text = _text(value)
        if not text:
            return _empty(value)
        ours = _OURS.fullmatch(text)
        if ours is not None:
            return f"sk-meterr_{ours[1]}_…{text[-_LAST_SHOWN:]}"
        plain = text.isascii() and text.isprintable() and " " not in text
        last = text[-_LAST_SHOWN:] if plain and len(text) >= _SHOWN_OF_LENGTH_MIN else ""
        return f"…{last}~{self._pseudonym('key', text)}"

    def address(self, value: object) -> str:
        """Return ``203.0.113.*~1f0c…`` or ``2001:db8:7::*~…``: the network of an IP address."""
        text = _text(value)
        if not text:
            return _empty(value)
        address = _address(text)
        if address is None:
            return f"*~{self._pseudonym('address', text)}"
        return f"{_network(address)}*~{self._pseudonym('address', str(address))}"

    def user(self, value: object) -> str:
        """Return the pseudonym of a user's id or name, and nothing of the text itself."""
        text = _text(value)
        return f"user~{self._pseudonym('user', text)}" if text else _empty(value)

    def _pseudonym(self, kind: str, text: str) -> str:
        said = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self.__key, said, hashlib.sha256).hexdigest()[:_PSEUDONYM_HEX_CHARS]

    def __repr__(self) -> str:
        return "<Masker>"


def secret(value: object) -> str:
    """Return eight stars for whatever is there: a password's equality is not to be seen either."""
    empty = isinstance(value, str | bytes | bytearray) and len(value) == 0
    return ABSENT if value is None or empty else HIDDEN


def _text(value: object) -> str:
    """Return the text of what may be masked, "" for nothing; other types are never rendered."""
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("latin-1")
    if not isinstance(value, str):
        return ""
    return unicodedata.normalize("NFC", str.__str__(value)).strip()


def _empty(value: object) -> str:
    """A text of spaces is nothing; what is no text at all is hidden and not asked for its text."""
    return ABSENT if value is None or isinstance(value, str | bytes | bytearray) else HIDDEN


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        four = ipaddress.IPv4Network((int(address), _V4_SHOWN_BITS), strict=False)
        return str(four.network_address).removesuffix("0")
    six = ipaddress.IPv6Network((int(address), _V6_SHOWN_BITS), strict=False)
    return str(six.network_address)
