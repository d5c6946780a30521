"""What a process does again and again with the database, whatever went wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from meterr.core.errors import Unavailable

_RETRY_EVERY_S: Final = 0.5


class Repeating:
    """
    Await ``action`` every ``every_s`` seconds, and sooner while the database is away.

    Whatever it raises beside that goes to ``failed``, and it is tried again: what was done last
    stays in force, but never for good and in silence.
    """

    def __init__(
        self,
        action: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
        *,
        every_s: float,
    ) -> None:
        self._action = action
        self._failed = failed
        self._every_s = every_s
        self._tried = asyncio.Event()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            pause = self._every_s
            try:
                await self._action()
            except Unavailable:
                pause = _RETRY_EVERY_S
            # Ending here would leave this process with what is old, or nothing, and in silence.
            except Exception as error:  # noqa: BLE001
                self._failed(error)
            self._tried.set()
            await asyncio.sleep(pause)

    async def tried_once(self, timeout_s: float) -> None:
        """Wait for the first attempt to end either way; not longer than ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._tried.wait()
