"""
The API key's text: ``sk-meterr_{live|test}_`` + 26 random base62 characters + 6 of checksum.

26 characters carry 154.8 bits. The checksum is the CRC-32 of everything before it, so a typing
error, a cut key and a key of another house are told without asking the database. It is no secret
and proves nothing: whether a key is ours is decided by its MAC alone.
"""

import re
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NoReturn

PREFIX: Final = "sk-meterr_"
RANDOM_CHARS: Final = 26
CHECKSUM_CHARS: Final = 6
_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Two digits at a time: three table look-ups instead of six divisions on every call.
_PAIRS: Final = tuple(bytes((high, low)) for high in _BASE62 for low in _BASE62)
# The largest multiple of 62 in a byte: values from here on would favour the first eight digits.
_UNBIASED_BELOW: Final = 62 * (256 // 62)
_SHAPE: Final = re.compile(rb"sk-meterr_(?:live|test)_[0-9A-Za-z]{32}")
_RANDOM_AT: Final = len(PREFIX) + len("live_")


class Environment(StrEnum):
    """What a key is for. Part of the key's text, and so of its checksum and its MAC."""

    LIVE = "live"
    TEST = "test"


class Flaw(StrEnum):
    """Why a text is no key of ours, seen without any look-up."""

    MALFORMED = "malformed"
    CHECKSUM = "checksum"


class ApiKey:
    """
    A whole key, in clear. ``reveal`` is the only way to its text; a rendering shows its last four.

    Keep it for as long as one call needs it. It does not compare, pickle or serialise.
    """

    __slots__ = ("__text", "environment")

    def __init__(self, text: str, environment: Environment) -> None:
        self.__text = text
        self.environment = environment

    def reveal(self) -> str:
        """Return the secret text, to be shown to its owner once."""
        return self.__text

    @property
    def presented(self) -> bytes:
        """The bytes a client would send."""
        return self.__text.encode("ascii")

    @property
    def last4(self) -> str:
        return self.__text[-4:]

    def __repr__(self) -> str:
        return f"<ApiKey {display(self.environment, self.last4)}>"

    def __str__(self) -> str:
        return display(self.environment, self.last4)

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key is never serialised.")


class ParsedKey(ApiKey):
    """A presented text of the right shape with the right checksum. Nobody vouches for it yet."""

    __slots__ = ()


def mint(environment: Environment, randomness: Callable[[int], bytes]) -> ApiKey:
    """Return a new key; ``randomness(n)`` must yield ``n`` bytes nobody can guess."""
    body = f"{PREFIX}{environment}_".encode("ascii") + random_base62(RANDOM_CHARS, randomness)
    return ApiKey((body + checksum(body)).decode("ascii"), environment)


def flaw_of(presented: bytes) -> Flaw | None:
    """Say what is wrong with the text of a key, or None. Never raises, whatever the bytes."""
    if _SHAPE.fullmatch(presented) is None:
        return Flaw.MALFORMED
    if checksum(presented[:-CHECKSUM_CHARS]) != presented[-CHECKSUM_CHARS:]:
        return Flaw.CHECKSUM
    return None


def parse(presented: bytes) -> ParsedKey | None:
    """Return the key in ``presented``, or None when no key looks like that. Never raises."""
    if flaw_of(presented) is not None:
        return None
    text = presented.decode("ascii")
    return ParsedKey(text, Environment(text[len(PREFIX) : _RANDOM_AT - 1]))


def display(environment: Environment, last4: str) -> str:
    """Render what people may see of a key: ``sk-meterr_live_…x9Kp``."""
    return f"{PREFIX}{environment}_…{last4}"


def checksum(body: bytes) -> bytes:
    """Return the six characters that follow ``body``: its CRC-32 in base62."""
    high, low = divmod(zlib.crc32(body), 62 * 62)
    higher, high = divmod(high, 62 * 62)
    return _PAIRS[higher] + _PAIRS[high] + _PAIRS[low]


def random_base62(length: int, randomness: Callable[[int], bytes]) -> bytes:
    """Return ``length`` characters, each as likely as any other."""
    digits = bytearray()
    while len(digits) < length:
        drawn = randomness(length)
        digits += bytes(_BASE62[byte % 62] for byte in drawn if byte < _UNBIASED_BELOW)
    return bytes(digits[:length])
