"""The HTTP side of this room: limits, usage and calls of a tenant."""

from collections.abc import Iterator

from meterr.core.api import Operation
from meterr.core.clock import Clock
from meterr.core.db import Database
from meterr.ledger.api.limits import LimitRoutes
from meterr.ledger.api.usage import UsageRoutes

__all__ = ["operations"]


def operations(db: Database, clock: Clock) -> Iterator[Operation]:
    """Yield every route of this room. ``db`` acts as ``Role.APP``."""
    yield from LimitRoutes(db, clock).operations()
    yield from UsageRoutes(db, clock).operations()
