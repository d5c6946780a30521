"""The limits of upstreams: rules that the settings make, in force once the database has them."""

import asyncio
from collections.abc import Mapping

from meterr.app.upkeep import tell_failure
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.limits import Limit
from meterr.core.settings import UpstreamSettings
from meterr.core.telemetry import Telemetry
from meterr.ledger.limits import ensure_upstream_limit

_RETRY_S = 1.0


class UpstreamLimits:
    """
    Make the rules of upstreams with a ``concurrency_max`` and keep them for the gateway.

    ``limits`` has each of their names, with None until its rule is known: calls there are refused
    with 503 meanwhile, since nobody can say how many run.
    """

    def __init__(
        self, db: Database, settings: Mapping[str, UpstreamSettings], telemetry: Telemetry
    ) -> None:
        self._db = db
        self._telemetry = telemetry
        self._amounts = {
            name: each.concurrency_max
            for name, each in settings.items()
            if each.concurrency_max is not None
        }
        self.limits: dict[str, Limit | None] = dict.fromkeys(self._amounts)

    async def run(self) -> None:
        """Try until every rule is there, then end."""
        for name, amount in self._amounts.items():
            while self.limits[name] is None:
                try:
                    self.limits[name] = await ensure_upstream_limit(self._db, name, amount)
                except Unavailable:  # calls there get 503 while the database is away
                    await asyncio.sleep(_RETRY_S)
                # Ending here would refuse every call there for good, and in silence.
                except Exception as error:  # noqa: BLE001
                    self._report(error)
                    await asyncio.sleep(_RETRY_S)

    def _report(self, error: Exception) -> None:
        tell_failure(self._telemetry, "upstream limits", type(error).__name__)
