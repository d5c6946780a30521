"""Frozen types of changes: what is to be different, and what became of a key and its kin."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterr.identity.model import KeyRecord


class Keep(Enum):
    """The one value that stands for: as it is. None would say: not restricted."""

    IT = "keep"


KEEP: Final = Keep.IT


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What of a key's terms is to be different; None lifts a restriction. Unix milliseconds."""

    name: str | Keep = KEEP
    scopes: Sequence[str] | Keep = KEEP
    models: Sequence[str] | Keep | None = KEEP
    networks: Sequence[str] | Keep | None = KEEP
    expires_at_ms: int | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked key, and the ids of those that it had made, directly or not, and that ended now."""

    key: KeyRecord
    made: tuple[str, ...]
