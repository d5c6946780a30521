"""Whether what budgets spent is what their entries drew. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from meterr.core.money import EXACT, wire


class StoredLease(msgspec.Struct, frozen=True):
    """What one process spent of a budget's window, and what its pool says all of them did."""

    lease_id: int
    limit_id: str
    starts_at: datetime
    spent: Decimal
    pool_spent: Decimal


class LeaseSums:
    """
    Sum what entries drew by the leases they name; memory grows with the living leases alone.

    A lease whose process is gone is gone too, so a pool may have spent more than its living leases
    did, but never less.
    """

    def __init__(self, leases: Sequence[StoredLease]) -> None:
        self._leases = leases
        self._drawn = {lease.lease_id: Decimal(0) for lease in leases}

    def add(self, leases: Sequence[int], usd: Decimal | None) -> None:
        """Take in one entry."""
        for lease in leases:
            if usd is not None and lease in self._drawn:
                self._drawn[lease] = EXACT.add(self._drawn[lease], usd)

    def lease_differences(self) -> Iterator[tuple[str, str]]:
        """Yield each lease that spent something else than its entries drew, and the figures."""
        for lease in self._leases:
            drawn = self._drawn[lease.lease_id]
            if drawn != lease.spent:
                told = f"spent {wire(lease.spent)} USD, its entries drew {wire(drawn)} USD"
                yield f"lease {lease.lease_id}", told

    def pool_differences(self) -> Iterator[tuple[str, str]]:
        """Yield each budget window that spent less than its living leases, and the figures."""
        spent: dict[tuple[str, datetime, Decimal], Decimal] = defaultdict(Decimal)
        for lease in self._leases:
            window = (lease.limit_id, lease.starts_at, lease.pool_spent)
            spent[window] = EXACT.add(spent[window], lease.spent)
        for (limit_id, starts_at, pool_spent), by_leases in spent.items():
            if by_leases > pool_spent:
                told = (
                    f"window of {starts_at.isoformat()}: spent {wire(pool_spent)} USD, its leases"
                )
                yield f"limit {limit_id}", f"{told} {wire(by_leases)} USD"
