"""
One-time codes that a successor is collected with: ``meterr-claim_`` + 26 random base62 + checksum.

As strong as a key and written like one, so that scanners know it and slips are told at once.
"""

import re
from collections.abc import Callable
from typing import Final, NoReturn

from meterr.identity.api_key import checksum, random_base62
from meterr.identity.keyring import Keyring, Pepper

_PREFIX: Final = b"meterr-claim_"
_RANDOM_CHARS: Final = 26
_SHAPE: Final = re.compile(rb"meterr-claim_[0-9A-Za-z]{32}")
# A MAC of a code is never one of a key, whatever their texts are.
_LABEL: Final = b"meterr claim code "


class ClaimCode:
    """A code in clear. ``reveal`` is the only way to its text."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the secret text, to be handed over once."""
        return self.__text

    def mac(self, pepper: Pepper) -> bytes:
        """Return what the database keeps of it."""
        return pepper.mac(_LABEL + self.__text.encode("ascii"))

    def macs(self, keyring: Keyring) -> list[bytes]:
        """Return the MACs it may be kept under."""
        return [self.mac(pepper) for pepper in keyring.accepted]

    def __repr__(self) -> str:
        return "<ClaimCode>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A claim code is never serialised.")


def mint_code(randomness: Callable[[int], bytes]) -> ClaimCode:
    """Return a new code; ``randomness(n)`` must yield ``n`` bytes nobody can guess."""
    body = _PREFIX + random_base62(_RANDOM_CHARS, randomness)
    return ClaimCode((body + checksum(body)).decode("ascii"))


def parse_code(text: str) -> ClaimCode | None:
    """Return the code in ``text``, or None when no code looks like that. Never raises."""
    given = text.strip().encode("utf-8", "replace")
    if _SHAPE.fullmatch(given) is None or checksum(given[:-6]) != given[-6:]:
        return None
    return ClaimCode(given.decode("ascii"))
