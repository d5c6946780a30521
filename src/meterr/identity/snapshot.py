"""
The memory of verified rows by MAC. Holds no key text and no MAC that the database did not know.

Three rules keep a revoked key from coming back: a notice forgets the row it is about; a read that
was under way when its key or tenant was noticed is not remembered; and a row never replaces one of
a higher version.

A row's version is the highest one of its key, its tenant and its owner. So it orders two reads of
one row, and a row of exactly a notice's version contains that change; but a row of a *higher*
version may lack it (another of them changed last), so only equality spares a row, never "newer".
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from meterr.identity.model import VerifiedKey

# About 1 kB each. A process that meets more distinct keys reads some of them again.
ROWS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Notice:
    """A change that was committed: of one key (``mac``) or of a tenant and so of all its keys."""

    version: int
    mac: bytes | None = field(default=None, repr=False)
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row and the monotonic second at which its read began."""

    key: VerifiedKey
    read_at: float


@dataclass(eq=False, slots=True)
class Read:
    """A read under way, and what was noticed since it began."""

    began_at: float
    generation: int
    macs: dict[bytes, int] = field(default_factory=dict, repr=False)
    tenants: dict[str, int] = field(default_factory=dict)

    def hear(self, notice: Notice) -> None:
        """Keep the latest change of each key and tenant that is noticed while the read lasts."""
        if notice.mac is not None:
            self.macs[notice.mac] = max(notice.version, self.macs.get(notice.mac, 0))
        if notice.tenant_id is not None:
            latest = max(notice.version, self.tenants.get(notice.tenant_id, 0))
            self.tenants[notice.tenant_id] = latest

    def overtaken(self, key: VerifiedKey) -> bool:
        """Return whether ``key`` may lack a change that was noticed since the read began."""
        of_key = self.macs.get(key.mac, key.version)
        of_tenant = self.tenants.get(key.principal.tenant_id, key.version)
        return of_key != key.version or of_tenant != key.version


class Snapshot:
    """Rows by MAC, at most ``rows_max``; the row remembered longest ago makes room."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        # Ordered: the oldest leaves in one step, where a plain dict would walk over its own gaps.
        self._rows: OrderedDict[bytes, Remembered] = OrderedDict()
        self._macs_of: dict[str, set[bytes]] = {}
        self._reads: set[Read] = set()
        self._generation = 0
        # The hot path's way in: one dictionary look-up without a method of ours around it.
        self.get = self._rows.get

    def __len__(self) -> int:
        return len(self._rows)

    def macs(self) -> list[bytes]:
        """Return the MACs of all rows, oldest first."""
        return list(self._rows)

    def begin_read(self, now: float) -> Read:
        """Say that a read begins. Give the answer to ``finish_read`` whatever became of it."""
        read = Read(began_at=now, generation=self._generation)
        self._reads.add(read)
        return read

    def finish_read(
        self, read: Read, keys: Collection[VerifiedKey], asked: Collection[bytes]
    ) -> None:
        """Remember what a read found and forget what it asked for in vain."""
        self._reads.discard(read)
        if read.generation != self._generation:
            return
        found = {key.mac for key in keys}
        for mac in asked:
            if mac not in found:
                self._forget(mac)
        for key in keys:
            if not read.overtaken(key):
                self._remember(key, read.began_at)

    def abandon_read(self, read: Read) -> None:
        """The read failed: it changes nothing."""
        self._reads.discard(read)

    def notice(self, notice: Notice) -> list[bytes]:
        """Forget what changed; return the MACs that were in memory, worth reading again."""
        for read in self._reads:
            read.hear(notice)
        stale = [] if notice.mac is None else [notice.mac]
        if notice.tenant_id is not None:
            stale += self._macs_of.get(notice.tenant_id, ())
        return [mac for mac in stale if not self._contains(mac, notice) and self._forget(mac)]

    def start_generation(self) -> list[bytes]:
        """
        Begin anew after a gap in the notices: no read that began before now is remembered.

        Returns the MACs to read again; until that is done nothing in memory is certain.
        """
        self._generation += 1
        return self.macs()

    def _contains(self, mac: bytes, notice: Notice) -> bool:
        known = self._rows.get(mac)
        return known is not None and known.key.version == notice.version

    def _remember(self, key: VerifiedKey, read_at: float) -> None:
        known = self._rows.pop(key.mac, None)
        if known is not None and known.key.version > key.version:
            self._rows[key.mac] = known
            return
        if len(self._rows) >= self._rows_max:
            self._forget(next(iter(self._rows)))
        self._rows[key.mac] = Remembered(key, read_at)
        self._macs_of.setdefault(key.principal.tenant_id, set()).add(key.mac)

    def _forget(self, mac: bytes) -> bool:
        known = self._rows.pop(mac, None)
        if known is None:
            return False
        macs = self._macs_of[known.key.principal.tenant_id]
        macs.discard(mac)
        if not macs:
            del self._macs_of[known.key.principal.tenant_id]
        return True
