"""The parent's other work: bring the journals of this host into PostgreSQL."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from meterr import ledger
from meterr.app.upkeep import pause
from meterr.core import migrate
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.errors import Unavailable
from meterr.core.telemetry import Event, EventLine, Level, Telemetry
from meterr.ledger.journal import Notice

_RETRY_S = 1.0

_EVENTS = {
    Notice.DAMAGED: Event.JOURNAL_DAMAGED,
    Notice.REJECTED: Event.JOURNAL_ROW_REJECTED,
    Notice.CLEANED: Event.JOURNAL_ROW_CLEANED,
    Notice.PARTITION: Event.LEDGER_PARTITION_MISSING,
    Notice.STUCK: Event.JOURNAL_DRAIN_STUCK,
}


async def drain_until(
    stop: asyncio.Event, root: Path, dsn: Callable[[], str], telemetry: Telemetry
) -> None:
    """
    Drain ``root`` until ``stop`` is set.

    Starts only once the schema is the one this code writes to. While the database is away the
    journals grow, up to their limit.

    Raises:
        SchemaMismatch: the database has another schema; nothing was written.
    """
    while not stop.is_set():
        try:
            await migrate.check(dsn())
            break
        except Unavailable:
            await pause(stop, _RETRY_S)
    if stop.is_set():
        return
    async with Database.open(dsn(), Role.DRAIN, pool_size_max=2) as db:
        drain = ledger.Drain(root, db, SystemClock(), partial(_tell, telemetry))
        await drain.run(stop)


def _tell(telemetry: Telemetry, notice: Notice, facts: Mapping[str, str | int]) -> None:
    message = " ".join(f"{name}={value}" for name, value in facts.items())
    telemetry.event(Level.ERROR, EventLine(event=_EVENTS[notice], message=message))


def report_failure(telemetry: Telemetry, error: BaseException) -> None:
    """Log that the drain ended by an error; the parent starts it again."""
    telemetry.event(
        Level.ERROR, EventLine(event=Event.DRAIN_FAILED, error_type=type(error).__name__)
    )
