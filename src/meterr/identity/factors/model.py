"""Frozen types of second factors and passkeys."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from meterr.identity.people import Person
from meterr.identity.throttle import Kind


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A TOTP secret to be taken over by an app. It counts once a code of it has been given."""

    factor_id: str
    secret: SecretStr
    uri: SecretStr


@dataclass(frozen=True, slots=True)
class StoredTotp:
    """A TOTP factor as the database has it."""

    factor_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FactorProof:
    """A second factor was given, now. ``began`` names limits reached on the way, as in refusals."""

    user_id: str
    at_ms: int
    began: tuple[Kind, ...]
    recovery_codes_left: int | None = None  # after a recovery code


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """
    Somebody with a passkey is here: who, and when.

    A passkey with user verification is two factors in one: it needs no password beside it.
    """

    person: Person
    at_ms: int

    @property
    def user_id(self) -> str:
        """Whose passkey it was, by the name that ``FactorProof`` has for it."""
        return self.person.user.user_id


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner sees it."""

    credential_id: bytes
    name: str
    backed_up: bool
    created_at_ms: int
    last_used_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a challenge, for what, and for whom; without a user for whoever answers."""

    purpose: str
    user_id: str | None
    network: str
    site: str


@dataclass(frozen=True, slots=True)
class Kept:
    """How many challenges stay when room is made for one more."""

    of_network: int
    of_site: int
    of_account: int
    in_all: int


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """A passkey as a ceremony needs it. Its key is public."""

    credential_id: bytes
    user_id: str
    user_state: str
    public_key: bytes
    sign_count: int
    transports: list[str]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a person can prove themselves with, beside the password."""

    totp: bool
    passkeys: int
    recovery_codes: int
    short_password: bool

    @property
    def any(self) -> bool:
        """Whether there is a second factor. Recovery codes alone are none: they run out."""
        return self.totp or self.passkeys > 0

    @property
    def ways(self) -> tuple[str, ...]:
        """By what a second factor can be given; none when there is none."""
        if not self.any:
            return ()
        ways = {
            "totp": self.totp,
            "passkey": self.passkeys > 0,
            "recovery_code": self.recovery_codes > 0,
        }
        return tuple(way for way, there in ways.items() if there)


NOTHING_ENROLLED: Final = Enrolled(totp=False, passkeys=0, recovery_codes=0, short_password=False)
"""What an account has that there is not."""
