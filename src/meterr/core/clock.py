"""Time as an argument: rules never read a clock, they are handed one."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the services ask for time."""

    def unix_ms(self) -> int:
        """Wall-clock milliseconds since 1970-01-01 UTC. May step back: not for durations."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back. Only differences mean anything."""


class SystemClock:
    """The machine's own clocks."""

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    # The function itself rather than a method around it: every call asks several times.
    monotonic = staticmethod(time.monotonic)


def as_datetime(unix_ms: int) -> datetime:
    """Return the aware UTC time of ``unix_ms``."""
    seconds, milliseconds = divmod(unix_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
