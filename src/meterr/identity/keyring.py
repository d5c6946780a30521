"""
Peppers: the secrets that turn an API key into the MAC the database keeps.

The database alone is worth nothing to a thief: without the pepper, a MAC neither reveals a key nor
lets one be tried. Three are accepted at a time, so that one can be changed without a failed call
on any number of hosts: the next one is accepted everywhere before the first host makes it current,
and the previous one until no key is stored under it any more.
"""

import hashlib
import secrets
from collections import Counter
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from meterr.core.errors import OperatorError
from meterr.core.private_file import create_private, read_private

PEPPER_BYTES_MIN: Final = 32
PEPPER_FILE_BYTES_MAX: Final = 4096
# A pepper drawn at random in any usual encoding has far more distinct characters; "xxxx…" has one.
_DISTINCT_MIN: Final = 8
_EXAMPLE_WORDS: Final = (
    b"example",
    b"changeme",
    b"change-me",
    b"change_me",
    b"placeholder",
    b"your-",
    b"your_",
    b"sample",
    b"secret",
    b"pepper",
    b"password",
    b"replace",
    b"insert",
    b"qwerty",
)
# Of the steps from each character to one at a fixed distance: in a repetition all are 0, in a
# sequence all are 1, and of a random secret hardly ever half are the same.
_SAME_STEPS_MAX: Final = 0.6
_JUDGED_BYTES: Final = 256  # time grows with the square
_BLOCK_BYTES: Final = 64  # of SHA-256
_ID_LABEL: Final = b"meterr pepper id"
_ID_HEX_CHARS: Final = 12


class PepperRefused(OperatorError):
    """The pepper cannot be used; the message says why and what to do, and never quotes it."""


class Pepper:
    """One secret of at least 32 bytes and its public ``id``, which follows from the secret."""

    __slots__ = ("__inner", "__outer", "id")

    def __init__(self, secret: bytes, *, origin: str) -> None:
        _refuse_weak(secret, origin)
        # HMAC's two keyed states (RFC 2104), made once: a copy of each costs a third of a new HMAC.
        key = secret if len(secret) <= _BLOCK_BYTES else hashlib.sha256(secret).digest()
        key = key.ljust(_BLOCK_BYTES, b"\0")
        self.__inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self.__outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
        self.id = self.mac(_ID_LABEL).hex()[:_ID_HEX_CHARS]

    def mac(self, presented: bytes) -> bytes:
        """Return HMAC-SHA256 of the whole key: 32 bytes."""
        inner = self.__inner.copy()
        inner.update(presented)
        outer = self.__outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return f"<Pepper {self.id}>"


class Keyring:
    """The current pepper and, while it is being changed, the next or the previous one."""

    def __init__(
        self, current: Pepper, previous: Pepper | None = None, following: Pepper | None = None
    ) -> None:
        if previous is not None and previous.id == current.id:
            previous = None
        if following is not None and following.id == current.id:
            following = None
        self.current = current
        self.previous = previous
        self.following = following
        # In the order of trial.
        self.accepted = tuple(each for each in (current, following, previous) if each is not None)

    @classmethod
    def from_secrets(
        cls,
        current: SecretStr,
        previous: SecretStr | None = None,
        following: SecretStr | None = None,
    ) -> "Keyring":
        """Build a keyring from settings; raise PepperRefused when a pepper is weak."""
        return cls(
            _pepper_in(current, "key_pepper"),
            None if previous is None else _pepper_in(previous, "key_pepper_previous"),
            None if following is None else _pepper_in(following, "key_pepper_next"),
        )

    @classmethod
    def open(cls, path: Path, *, create_missing: bool = False) -> "Keyring":
        """
        Read the pepper file; with ``create_missing`` write a fresh one (0400) when there is none.

        Raises:
            PepperRefused: the file is missing, weak, open to others, or not a plain file.
        """
        if create_missing and not path.exists():
            create_private(path, secrets.token_hex(PEPPER_BYTES_MIN).encode() + b"\n")
        content = read_private(
            path, what="the pepper file", bytes_max=PEPPER_FILE_BYTES_MAX, refused=PepperRefused
        )
        return cls(Pepper(content.strip(), origin=str(path)))

    def mac(self, presented: bytes) -> bytes:
        """Return the MAC that a new key is stored under."""
        return self.current.mac(presented)

    def macs(self, presented: bytes) -> tuple[bytes, ...]:
        """Return the MACs a key may be stored under, current first; any key costs the same."""
        return tuple(pepper.mac(presented) for pepper in self.accepted)

    def __repr__(self) -> str:
        return (
            f"<Keyring current={self.current!r} previous={self.previous!r}"
            f" following={self.following!r}>"
        )


def _pepper_in(secret: SecretStr, origin: str) -> Pepper:
    return Pepper(secret.get_secret_value().strip().encode(), origin=origin)


def _refuse_weak(secret: bytes, origin: str) -> None:
    if len(secret) < PEPPER_BYTES_MIN:
        raise PepperRefused(
            f"{origin}: the pepper has {len(secret)} bytes and needs {PEPPER_BYTES_MIN} or more. "
            "Make one with: openssl rand -hex 32"
        )
    lowered = secret.lower()
    if (
        len(set(secret)) < _DISTINCT_MIN
        or _is_pattern(lowered[:_JUDGED_BYTES])
        or any(word in lowered for word in _EXAMPLE_WORDS)
    ):
        raise PepperRefused(
            f"{origin}: the pepper is an example, a pattern or a text, not a random secret. "
            "Make one with: openssl rand -hex 32"
        )


def _is_pattern(secret: bytes) -> bool:
    for distance in range(1, len(secret) // 2 + 1):
        pairs = zip(secret, secret[distance:], strict=False)
        steps = Counter((after - before) % 256 for before, after in pairs)
        if max(steps.values()) > _SAME_STEPS_MAX * steps.total():
            return True
    return False
