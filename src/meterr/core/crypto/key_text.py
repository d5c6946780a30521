"""
Key-encryption keys, written as ``mk1.<kid>.<base64url of 32 bytes>``.

The text says what it is, which key it is, and how long it must be, so that a hex string, a password
or half a key is refused where it is read and not when the first value cannot be opened.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterr.core.crypto.errors import KeyRefused, Unreadable
from meterr.core.crypto.unshown import Unshown

PREFIX: Final = "mk1"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

_FORM = re.compile(r"mk1\.(?P<kid>[a-z0-9][a-z0-9_-]{0,31})\.(?P<key>[A-Za-z0-9_-]*)=*")
_KID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_EXAMPLE_WORDS = ("example", "changeme", "change-me", "placeholder", "your-", "sample")
# 32 random bytes have about 30 distinct values; fewer than 16 is no chance at all.
_DISTINCT_MIN = 16
_PRINTABLE = range(0x20, 0x7F)
_CHECK_LABEL = b"meterr key-encryption key check"
_WAY_OUT = "Make one with: meterr keyring new"


class KeyEncryptionKey(Unshown):
    """One key and its public name ``kid``. Encrypts data keys and nothing else."""

    __slots__ = ("__cipher", "__material", "kid", "verifier")

    def __init__(self, kid: str, material: bytes) -> None:
        self.kid = kid
        self.__material = material
        self.__cipher = AESGCM(material)
        # Tells two keys of one name apart without telling anything of either.
        self.verifier = hmac.digest(material, _CHECK_LABEL, "sha256")

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag. A nonce must never be used twice."""
        return self.__cipher.encrypt(nonce, plaintext, aad)

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext or raise Unreadable."""
        try:
            return self.__cipher.decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError):
            raise Unreadable from None

    def text(self) -> str:
        """Return the key as text: for the file or the person that keeps it, and nothing else."""
        return f"{PREFIX}.{self.kid}.{_base64url(self.__material)}"

    def _shown(self) -> str:
        return self.kid


def parse(text: str, *, origin: str) -> KeyEncryptionKey:
    """
    Return the key that ``text`` writes down.

    Raises:
        KeyRefused: it has another form, is short, or is an example. Never quotes it; ``origin`` is
            the setting or file that it comes from.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise KeyRefused(
            f"{origin}: a key-encryption key is written mk1.NAME.KEY, NAME in lower case and KEY "
            f"as base64url of {KEY_BYTES} bytes. {_WAY_OUT}"
        )
    material = _decoded(match["key"])
    if material is None or len(material) != KEY_BYTES:
        found = "is not base64url" if material is None else f"has {len(material)} bytes"
        raise KeyRefused(
            f"{origin}: the key-encryption key {found} and needs exactly {KEY_BYTES} bytes. "
            f"{_WAY_OUT}"
        )
    if _is_example(match["kid"], match["key"], material):
        raise KeyRefused(
            f"{origin}: the key-encryption key is an example, a pattern or a text, not 32 random "
            f"bytes. {_WAY_OUT}"
        )
    return KeyEncryptionKey(match["kid"], material)


def mint(kid: str, randomness: Callable[[int], bytes]) -> KeyEncryptionKey:
    """Return a new key named ``kid``. Raises KeyRefused when nobody could be given that name."""
    if _KID.fullmatch(kid) is None:
        raise KeyRefused(
            "A key-encryption key's name has 1 to 32 of a-z, 0-9, '-' and '_', and begins with a "
            "letter or digit."
        )
    if _reads_as_example(kid):
        raise KeyRefused(
            "A key-encryption key's name may not read like an example's: its text would be refused."
        )
    material = randomness(KEY_BYTES)
    while _reads_as_example(_base64url(material)):  # by chance, once in about two million
        material = randomness(KEY_BYTES)
    return KeyEncryptionKey(kid, material)


def _base64url(material: bytes) -> str:
    return base64.urlsafe_b64encode(material).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes | None:
    try:
        material = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    # Only one text per key: bits beyond the last byte must be zero.
    return material if _base64url(material) == text else None


def _is_example(kid: str, text: str, material: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(material)}
    return (
        len(set(material)) < _DISTINCT_MIN
        or len(steps) == 1
        or all(byte in _PRINTABLE for byte in material)
        or _reads_as_example(kid)
        or _reads_as_example(text)
    )


def _reads_as_example(written: str) -> bool:
    return any(word in written.lower() for word in _EXAMPLE_WORDS)
