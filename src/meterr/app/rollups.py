"""The parent's third work: rollups, partitions ahead, and days that expire."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from meterr.app.upkeep import keep
from meterr.core.db import Database, Role
from meterr.core.settings import Settings
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.ledger.rollups import Notice, RollupWriter

_RETRY_S = 1.0
_RESTART_S = 30.0
_STATEMENT_S = 600.0
"""An hour of a busy tenant may hold millions of entries."""

_EVENTS = {
    Notice.DROPPED: (Level.INFO, Event.LEDGER_DAY_DROPPED),
    Notice.EVENTS_DROPPED: (Level.INFO, Event.SECURITY_EVENTS_DROPPED),
    Notice.FAILED: (Level.ERROR, Event.ROLLUPS_STUCK),
}


async def keep_rollups(
    stop: asyncio.Event,
    dsn: Callable[[], str],
    settings: Settings,
    telemetry: Telemetry,
) -> None:
    """
    Run the writer of rollups until ``stop`` is set; every host has one, and they take turns.

    Ends at once when the database has another schema, see ``keep``.
    """
    tell = partial(_tell, telemetry)

    async def write() -> None:
        async with Database.open(
            dsn(), Role.DRAIN, pool_size_max=1, statement_timeout_s=_STATEMENT_S
        ) as db:
            writer = RollupWriter(
                db,
                tell,
                retention_days=settings.ledger.retention_days,
                event_retention_days=settings.events.retention_days,
            )
            await writer.run(stop)

    def failed(error_type: str) -> None:
        tell(Notice.FAILED, {"reason": error_type})

    await keep(stop, dsn, write, failed, retry_s=_RETRY_S, restart_s=_RESTART_S)


def _tell(telemetry: Telemetry, notice: Notice, facts: Mapping[str, str | int]) -> None:
    level, event = _EVENTS[notice]
    message = " ".join(f"{name}={value}" for name, value in facts.items())
    telemetry.event(level, EventLine(event=event, message=message))
