"""
The two ceremonies of WebAuthn, as the rest sees them: what is asked, what an authenticator said.

Who knows how is in ``webauthn_ceremonies``, whose library only a process loads that needs it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from meterr.identity.factors.model import StoredPasskey

CHALLENGE_BYTES: Final = 32
TIMEOUT_MS: Final = 5 * 60 * 1000
_LABEL: Final = b"meterr passkey challenge\0"


@dataclass(frozen=True, slots=True)
class Registered:
    """A passkey that its authenticator has just made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backed_up: bool
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an authenticator said, not yet verified: which passkey, whose, to which challenge."""

    credential_id: bytes
    user_handle: str | None
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """An authenticator's answer that is right."""

    sign_count: int
    backed_up: bool


def digest_of(challenge: bytes) -> bytes:
    """Return what the database knows a challenge by."""
    return hashlib.sha256(_LABEL + challenge).digest()


class Ceremonies(Protocol):
    """
    Both ceremonies of one relying party.

    Whatever comes from a browser is a stranger's bytes in five nested encodings: the answer is a
    verified result or None, never an exception.
    """

    def registration_options(
        self, *, challenge: bytes, user_id: str, email: str, known: Sequence[StoredPasskey]
    ) -> str:
        """Return what ``navigator.credentials.create`` wants; ``known`` are not made again."""

    def sign_in_options(self, *, challenge: bytes, known: Sequence[StoredPasskey]) -> str:
        """Return what ``navigator.credentials.get`` wants; without ``known``, for any passkey."""

    def challenge_of_registration(self, response: str) -> bytes | None:
        """Return the challenge that a response answers to, unverified."""

    def verified_registration(self, response: str, challenge: bytes) -> Registered | None:
        """Return the passkey that a response brings, or None when anything about it is wrong."""

    def asserted(self, response: str) -> Asserted | None:
        """Return what a sign-in response claims, unverified; None when it cannot be read."""

    def verified_sign_in(
        self, response: str, challenge: bytes, passkey: StoredPasskey
    ) -> Verified | None:
        """Return the verified answer of ``passkey``, or None when anything about it is wrong."""
