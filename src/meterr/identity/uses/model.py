"""What is written down about uses of keys."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Use(NamedTuple):
    """That a key counted at this time, the last one known."""

    tenant_id: str
    key_id: str
    at_ms: int


class Calls(NamedTuple):
    """How often one caller came with a key that has a successor, and when last."""

    tenant_id: str
    key_id: str
    address: str
    user_agent: str
    calls: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """All that gathered since the last page; ``macs`` is of keys to move, found to new."""

    uses: tuple[Use, ...] = ()
    callers: tuple[Calls, ...] = ()
    macs: dict[bytes, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CallerRecord:
    """Who still calls with a replaced key. ``address`` is None for those not kept apart."""

    address: str | None
    user_agent: str
    calls: int
    first_at_ms: int
    last_at_ms: int
