"""Frozen types of encryption at rest. None of them holds a key that is not wrapped."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the database has it."""

    version: int
    kek_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key-encryption key that the database has met."""

    kek_id: str
    verifier: bytes = field(repr=False)
    retired: bool


@dataclass(frozen=True, slots=True)
class DataKeyState:
    """What there is to know about a data key but the key; ``kek_id`` is None once it is gone."""

    tenant_id: str
    version: int
    kek_id: str | None
    created_at_ms: int
    retired: bool

    @property
    def lives(self) -> bool:
        return self.kek_id is not None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One line of ``keyring status``: a key and how much depends on it."""

    kind: str  # "key-encryption key" or "data key"
    tenant_id: str  # "" for key-encryption keys
    key_id: str
    state: str
    uses: int  # data keys wrapped under it, or values sealed under it
