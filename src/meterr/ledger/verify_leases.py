"""Whether what budgets lent and spent is what their entries drew. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from meterr.core.money import EXACT, wire


class StoredLease(msgspec.Struct, frozen=True):
    """What one process spent of a budget's window, in US dollars."""

    lease_id: int
    spent: Decimal


class StoredPool(msgspec.Struct, frozen=True):
    """
    A budget's window, in US dollars: what it says, and what it should say.

    It should have taken and spent what it began with, what leases of closed processes spent, and
    what its living leases hold and spent.
    """

    limit_id: str
    starts_at: datetime
    taken: Decimal
    spent: Decimal
    should_be_taken: Decimal
    should_be_spent: Decimal

    def differences(self) -> Iterator[str]:
        """Yield what it says otherwise, and the figures."""
        for name, usd, should_be in (
            ("taken", self.taken, self.should_be_taken),
            ("spent", self.spent, self.should_be_spent),
        ):
            if usd != should_be:
                told = f"{name} {wire(usd)} USD; should be {wire(should_be)} USD"
                yield f"window of {self.starts_at.isoformat()}: {told}"


class LeaseSums:
    """Sum what entries drew by the leases they name; memory grows with the living leases alone."""

    def __init__(self, leases: Sequence[StoredLease]) -> None:
        self._leases = leases
        self._drawn = {lease.lease_id: Decimal(0) for lease in leases}

    def add(self, leases: Sequence[int], usd: Decimal | None) -> None:
        """Take in one entry."""
        for lease in leases:
            if usd is not None and lease in self._drawn:
                self._drawn[lease] = EXACT.add(self._drawn[lease], usd)

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield each lease that spent something else than its entries drew, and the figures."""
        for lease in self._leases:
            drawn = self._drawn[lease.lease_id]
            if drawn != lease.spent:
                told = f"spent {wire(lease.spent)} USD, its entries drew {wire(drawn)} USD"
                yield f"lease {lease.lease_id}", told
