"""Frozen types of the room: what the database knows about a key, and what people see of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from meterr.core.principal import Principal, Scope, UnknownPrice
from meterr.identity.api_key import ApiKey, Environment, display
from meterr.identity.client import NOBODY, Client
from meterr.identity.networks import Networks


class KeyState(StrEnum):
    """Whether a key still counts. There is no way back from ``revoked``."""

    ACTIVE = "active"
    REVOKED = "revoked"


class TenantState(StrEnum):
    """Whether a tenant's keys count at all."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Reason(StrEnum):
    """Why a key was refused: for our log and our counters, never for the caller."""

    MISSING = "missing"
    MALFORMED = "malformed"
    CHECKSUM = "checksum"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"  # its successor is known and its grace is over
    ADDRESS = "address"  # the key is good, and not for that place
    TENANT_DISABLED = "tenant_disabled"
    OWNER_GONE = "owner_gone"  # disabled, or no member of the tenant any more


class Outage(StrEnum):
    """What to do with a warm key while it is certain that no PostgreSQL is running."""

    SERVE_WARM = "serve_warm"  # nothing can be revoked in a server that does not run: go on
    REFUSE = "refuse"  # 503, for servers that fail over to an address we do not know


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """
    One row of ``key_for_authentication``: key, tenant and owner in one snapshot of the database.

    ``owner_counts`` is true for a key that belongs to nobody in person.
    """

    mac: bytes = field(repr=False)
    principal: Principal
    expires_at_ms: int | None
    key_state: KeyState
    tenant_state: TenantState
    owner_counts: bool
    version: int
    grace_until_ms: int | None = None
    networks: Networks | None = None

    def refusal(self, now_ms: int, client: Client = NOBODY) -> Reason | None:
        """Return why the key does not count at ``now_ms`` for ``client``; None when it does."""
        if self.key_state is not KeyState.ACTIVE:
            return Reason.REVOKED
        if self.tenant_state is not TenantState.ACTIVE:
            return Reason.TENANT_DISABLED
        if not self.owner_counts:
            return Reason.OWNER_GONE
        if self.expires_at_ms is not None and now_ms >= self.expires_at_ms:
            return Reason.EXPIRED
        if self.grace_until_ms is not None and now_ms >= self.grace_until_ms:
            return Reason.REPLACED
        if self.networks is not None and not self.networks.admit(client.address):
            return Reason.ADDRESS
        return None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as the operator sees it."""

    tenant_id: str
    name: str
    state: TenantState
    unknown_price: UnknownPrice
    created_at_ms: int
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as its owner sees it: everything but the key."""

    tenant_id: str
    key_id: str
    name: str
    environment: Environment
    last4: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None
    expires_at_ms: int | None
    state: KeyState
    created_at_ms: int
    revoked_at_ms: int | None
    owner: str = ""
    owner_user_id: str | None = None
    output_tokens_default: int | None = None
    send_output_default: bool = False
    networks: tuple[str, ...] | None = None
    pepper_id: str = ""
    successor_id: str | None = None
    first_key_id: str = ""  # of its line; limits of a key name that one
    grace_until_ms: int | None = None
    due_at_ms: int | None = None
    last_used_at_ms: int | None = None
    created_by: str | None = None  # the key that made it; None: a person did
    author: str = ""  # who asked for it, or for the first of its line
    version: int = 0  # of the row: whoever changes its terms says which they saw
    for_good: bool = False  # revoked as this one key: nobody follows it

    def ended(self, now_ms: int) -> bool:
        """Return whether it was revoked, has expired or is over after a rotation."""
        ends = (self.expires_at_ms, self.grace_until_ms)
        over = any(end is not None and now_ms >= end for end in ends)
        return self.state is not KeyState.ACTIVE or over

    @property
    def shown(self) -> str:
        """What people may see of the key's text."""
        return display(self.environment, self.last4)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. Its secret exists here and nowhere else."""

    secret: ApiKey
    record: KeyRecord


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of keys, newest first; ``after`` asks for the next one, None on the last page."""

    keys: tuple[KeyRecord, ...]
    after: str | None
