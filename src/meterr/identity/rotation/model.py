"""Frozen types of rotation: who asks, what came of it, and what waits to be collected."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from meterr.core.principal import Scope
from meterr.identity.model import KeyRecord, NewKey
from meterr.identity.rotation.claim_code import ClaimCode


class Kind(StrEnum):
    """Why a key gets a successor."""

    ASKED = "asked"
    POLICY = "policy"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks, and why: both are kept with what was done.

    ``scopes`` are those of the asking key; None is an operator, who may hand on everything.
    ``user_id`` is a member of the tenant whose codes count while they may make them; those of an
    operator, None, count until they expire.
    """

    author: str
    reason: str
    scopes: frozenset[Scope] | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rotated:
    """
    A key and the one that follows it. The new secret is here and nowhere else.

    ``old`` ends at its ``grace_until_ms``. The database has recorded and told all of it.
    """

    kind: Kind
    old: KeyRecord
    new: NewKey


@dataclass(frozen=True, slots=True)
class Handover:
    """A successor that waits: whoever hands in ``code`` first gets its secret, once."""

    tenant_id: str
    key_id: str
    successor_id: str
    name: str
    owner: str
    last4: str
    expires_at_ms: int
    code: ClaimCode


@dataclass(frozen=True, slots=True)
class HandoverPage:
    """Some of the successors that wait; ``after`` asks for the next page, None on the last."""

    items: tuple[Handover, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Struck:
    """How many keys of one tenant an emergency ends, and how many codes from before with them."""

    tenant_id: str
    keys: int
    codes: int


@dataclass(frozen=True, slots=True)
class Emergency:
    """
    What an emergency did, or with ``dry_run`` would do; "" is then its id.

    ``struck`` has the tenant that was asked for; of all tenants, those that lose something.
    """

    emergency_id: str
    struck: tuple[Struck, ...]
    dry_run: bool = False

    @property
    def keys(self) -> int:
        """How many keys it ends in all."""
        return sum(each.keys for each in self.struck)

    @property
    def codes(self) -> int:
        """How many open codes from before it ends in all."""
        return sum(each.codes for each in self.struck)


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """How old keys may get: of one line of keys, or of a tenant (``key_id`` None)."""

    key_id: str | None
    max_age: timedelta
    notice: timedelta
    grace: timedelta
    author: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A key that its policy wants replaced; it ends at ``grace_until_ms`` whether it is or not."""

    tenant_id: str
    key_id: str
    name: str
    owner: str
    last4: str
    due_at_ms: int
    grace_until_ms: int


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A key whose successor may be collected; ``successor_id`` is reserved from the first code."""

    key_id: str
    name: str
    owner: str
    last4: str
    grace: timedelta = field(default_factory=timedelta)
