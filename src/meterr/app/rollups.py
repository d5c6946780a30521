"""The parent's third work: rollups, partitions ahead, and days that expire."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from meterr.core import migrate
from meterr.core.db import Database, Role
from meterr.core.errors import Unavailable
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

    Ends at once when the database has another schema: the drain says so and ends everything.
    """
    while not stop.is_set():
        try:
            await migrate.check(dsn())
            async with Database.open(
                dsn(), Role.DRAIN, pool_size_max=1, statement_timeout_s=_STATEMENT_S
            ) as db:
                tell = partial(_tell, telemetry)
                writer = RollupWriter(
                    db,
                    tell,
                    retention_days=settings.ledger.retention_days,
                    event_retention_days=settings.events.retention_days,
                )
                await writer.run(stop)
        except Unavailable:
            await _pause(stop, _RETRY_S)
        except migrate.SchemaMismatch:
            return
        # Without rollups pages are slow and nothing else: that must end neither calls nor drain.
        except Exception as error:  # noqa: BLE001 (as the line above says)
            _tell(telemetry, Notice.FAILED, {"reason": type(error).__name__})
            await _pause(stop, _RESTART_S)


def _tell(telemetry: Telemetry, notice: Notice, facts: Mapping[str, str | int]) -> None:
    level, event = _EVENTS[notice]
    message = " ".join(f"{name}={value}" for name, value in facts.items())
    telemetry.event(level, EventLine(event=event, message=message))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
