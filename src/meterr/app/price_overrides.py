"""A process and the tables that hold for every tenant: price overrides, meaning of upstreams."""

import asyncio
from collections.abc import Sequence

from meterr import ledger
from meterr.app.repeating import Repeating
from meterr.app.upkeep import tell_failure
from meterr.core.db import Database
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.ledger.price_override import PriceOverride
from meterr.ledger.report import UpstreamMeaning

RELOAD_EVERY_S = 5.0
"""How long a new override may take to reach every process."""


class PriceKeeper:
    """
    Load the overrides, and load them again every few seconds.

    ``loaded`` stays unset until they have been read once: before that nobody knows a price, and no
    call may leave.
    """

    def __init__(
        self,
        db: Database,
        prices: ledger.PriceBook,
        upstreams: Sequence[UpstreamMeaning],
        telemetry: Telemetry,
    ) -> None:
        self._db = db
        self._unrecorded = upstreams
        self._prices = prices
        self._telemetry = telemetry
        self._known: list[PriceOverride] | None = None
        self.loaded = asyncio.Event()
        self.repeating = Repeating(self.reload, self._report, every_s=RELOAD_EVERY_S)

    async def reload(self) -> None:
        """Read the overrides once; the first time, also record what our upstreams' names mean."""
        if self._unrecorded:
            await ledger.record_upstreams(self._db, self._unrecorded)
            self._unrecorded = ()
        found = list(await ledger.list_price_overrides(self._db))
        if found != self._known:
            self._prices.reload(found)
            self._known = found
            self._telemetry.event(
                Level.INFO, EventLine(event=Event.PRICES_RELOADED, count=len(found))
            )
        self.loaded.set()

    def _report(self, error: Exception) -> None:
        tell_failure(self._telemetry, "price overrides", type(error).__name__)
