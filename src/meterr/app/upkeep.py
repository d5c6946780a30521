"""Work beside serving: begun again when it fails, told when it does, ended with its owner."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from meterr.core import migrate
from meterr.core.errors import Unavailable
from meterr.core.telemetry import Event, EventLine, Level, Telemetry


async def keep(
    stop: asyncio.Event,
    dsn: Callable[[], str],
    work: Callable[[], Awaitable[None]],
    failed: Callable[[str], None],
    *,
    retry_s: float,
    restart_s: float,
) -> None:
    """
    Await ``work`` again and again until ``stop`` is set: what the parent does beside the drain.

    Each time the schema is looked at first; with another one than this code's this ends at once,
    for the drain says so and ends everything. While the database is away it is tried again every
    ``retry_s``. Of whatever else ``work`` raises ``failed`` gets the name, and ``restart_s``
    passes.
    """
    while not stop.is_set():
        try:
            await migrate.check(dsn())
            await work()
        except Unavailable:
            await pause(stop, retry_s)
        except migrate.SchemaMismatch:
            return
        # What is kept up here must end neither calls nor the drain.
        except Exception as error:  # noqa: BLE001
            failed(type(error).__name__)
            await pause(stop, restart_s)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for ``seconds``, or until ``stop`` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


@asynccontextmanager
async def running(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run all of them beside the block; cancelled with it, and waited for."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def tell_failure(telemetry: Telemetry, where: str, error_type: str) -> None:
    """Log that something failed that nobody waits for."""
    line = EventLine(event=Event.UNEXPECTED_ERROR, where=where, error_type=error_type)
    telemetry.event(Level.ERROR, line)
