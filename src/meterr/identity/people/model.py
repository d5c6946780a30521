"""Frozen types of people: accounts, memberships, claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from meterr.core.policy import Actor, Role


class UserState(StrEnum):
    """Whether a person may sign in at all."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class User:
    """One person's account, global. ``joined`` is False until there is a password or passkey."""

    user_id: str
    email: str
    shown_email: str
    state: UserState
    joined: bool
    created_at_ms: int
    version: int


@dataclass(frozen=True, slots=True)
class Member:
    """A person in one tenant."""

    user: User
    tenant_id: str
    role: Role
    since_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """An account and what it is where; only memberships that count now."""

    user: User
    roles: Mapping[str, Role]

    def actor(self, factor_at_ms: int | None, began_at_ms: int) -> Actor | None:
        """Return who acts, or None when the account is disabled."""
        if self.user.state is not UserState.ACTIVE:
            return None
        return Actor(
            user_id=self.user.user_id,
            roles=self.roles,
            factor_at_ms=factor_at_ms,
            began_at_ms=began_at_ms,
        )


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs the command line with the database's own address. ``name`` is for records."""

    name: str


By = Actor | Operator
"""Who asks for a change of people."""


@dataclass(frozen=True, slots=True)
class NewClaim:
    """A claim that was just made. Its token exists here and nowhere else."""

    token: SecretStr
    email: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a claim, and where they are what it takes: in its tenant, or on the platform."""

    user_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A claim that is not used and not over. Without an author the operator made it.

    ``author_role`` is what the author is now, where they made it; ``drops_factors`` is of resets.
    """

    digest: bytes
    user_id: str
    joins_tenant: str | None
    joins_as: Role | None
    author: Author | None
    author_role: Role | None = None
    drops_factors: bool = False
    of_super_admin: bool = False


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What happened to a membership; None stands for no membership."""

    tenant_id: str
    user_id: str
    before: Role | None
    after: Role | None


@dataclass(frozen=True, slots=True)
class UserPage:
    """One page of accounts, newest first; ``after`` asks for the next one, None on the last."""

    people: tuple[Person, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of members, newest accounts first; ``after`` as in UserPage."""

    members: tuple[Member, ...]
    after: str | None
