"""Frozen types of stored provider credentials. None of them has the credential."""

from dataclasses import dataclass
from typing import Final

from meterr.core.crypto import Place, SealedColumn
from meterr.core.policy import PLATFORM

SECRET: Final = SealedColumn(table="provider_credential", column="secret", keys=("upstream",))

NAME_CHARS_MAX: Final = 64
SECRET_CHARS_MAX: Final = 4096
_LAST4_FROM_CHARS: Final = 20
"""A shorter secret shows nothing of itself: four of its characters would be too many."""


@dataclass(frozen=True, slots=True)
class ProviderCredential:
    """A stored credential, by the name of its upstream; ``last4`` is "" for a short one."""

    upstream: str
    last4: str
    created_at_ms: int
    created_by: str
    version: int


def place_of(upstream: str) -> Place:
    """Return where the sealed credential of an upstream stands. Upstreams are no tenant's."""
    return Place(PLATFORM, SECRET.table, SECRET.column, (upstream,))


def last4_of(secret: str) -> str:
    """Return what may be shown of a credential."""
    return secret[-4:] if len(secret) >= _LAST4_FROM_CHARS else ""
