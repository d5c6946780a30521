"""Frozen types of sessions. Tokens are secrets by their type, so no repr shows one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr

from meterr.core.policy import Actor, Role
from meterr.identity.people import Person
from meterr.identity.throttle import Kind


class Ended(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed_out"
    ENDED = "ended"  # by its owner elsewhere, or by an administrator
    IDLE = "idle"
    OVER = "over"  # its longest life
    REUSED = "reused"  # an old refresh token came back
    REPLACED = "replaced"  # by one of another id, when a factor was given again
    TOO_MANY = "too_many"  # newer ones took its place
    CREDENTIALS = "credentials"  # password, factor or account changed; the database says so
    ROLE = "role"  # as above


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last, in seconds, and how many sessions one person has at most."""

    access_s: int = 300
    idle_s: int = 3600
    absolute_s: int = 24 * 3600
    per_person_max: int = 20


@dataclass(frozen=True, slots=True)
class SessionClient:
    """
    What a session was begun or used from: an address behind trusted proxies, and a user agent.

    As it is stored and shown to the person. A call with a key has ``identity.client.Client``.
    """

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A session that was begun or goes on, and its tokens, which exist here and nowhere else."""

    session_id: str
    user_id: str
    access: SecretStr
    refresh: SecretStr
    access_ends_at_ms: int
    refresh_ends_at_ms: int
    began: tuple[Kind, ...] = ()  # limits reached on the way, as in SignInRefused


@dataclass(frozen=True, slots=True)
class NeedsFactor:
    """The password was right; one of ``ways`` (totp, passkey, recovery_code) is to be given."""

    challenge: SecretStr
    ends_at_ms: int
    ways: tuple[str, ...]
    began: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class MustEnrol:
    """The password was right; the account needs a second factor and has none yet."""

    challenge: SecretStr
    ends_at_ms: int
    began: tuple[Kind, ...] = ()


Outcome = Grant | NeedsFactor | MustEnrol
"""What a right password leads to."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody between password and factor. No actor: there is nothing they may do yet."""

    person: Person
    must_enrol: bool


@dataclass(frozen=True, slots=True)
class Refresh:
    """
    What became of a refresh token: a grant, or ``reused``.

    ``reused`` says that a token came back which had been exchanged long before: two hold this
    session, and one of them should not. The session is over, and the database has told its person.
    """

    session_id: str
    user_id: str
    grant: Grant | None

    @property
    def reused(self) -> bool:
        """Whether the session ended because its old token came back."""
        return self.grant is None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who sent a request, in which session, as of now."""

    session_id: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as its owner sees it."""

    session_id: str
    address: str
    user_agent: str
    created_at_ms: int
    seen_at_ms: int
    factor_at_ms: int | None
    ends_at_ms: int
    current: bool = False


@dataclass(frozen=True, slots=True)
class LiveSession:
    """
    What a request needs to know about its session, in one snapshot of the database.

    ``tenants`` are all that the person is a member of; roles count only in those not disabled.
    """

    session_id: str
    user_id: str
    factor_at_ms: int | None
    created_at_ms: int
    ends_at_ms: int
    lives: bool
    roles: Mapping[str, Role]
    tenants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Family:
    """A session and its refresh tokens, as the database has them."""

    session_id: str
    user_id: str
    factor_at_ms: int | None
    seen_at_ms: int
    ends_at_ms: int
    generation: int
    refresh_digest: bytes = field(repr=False)
    previous_digest: bytes | None = field(repr=False)
    salt: bytes | None = field(repr=False)
    rotated_at_ms: int | None
    ended: bool
    user_active: bool
