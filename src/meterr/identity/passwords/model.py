"""Frozen types of passwords."""

from dataclasses import dataclass, field

from meterr.identity.people import Person
from meterr.identity.throttle import Kind


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """An account's password as the database has it; no hash when there is none yet."""

    user_id: str
    email: str
    state: str
    hash: str | None = field(repr=False)
    has_factor: bool


@dataclass(frozen=True, slots=True)
class PasswordProof:
    """
    A person gave the right password. Whether that is enough is for ``factors.demand`` to say.

    ``began`` is as in SignInRefused: the last guess was right, and still an incident.
    """

    person: Person
    began: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A claim was taken up: the account, and the tenant that was joined, if it was about one."""

    user_id: str
    tenant_id: str | None
    first: bool  # the account's first password
