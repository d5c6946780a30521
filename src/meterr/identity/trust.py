"""
When memory may be believed: a small state machine without clock or sockets.

LIVE         our own heartbeat came back: every change committed before it was sent has reached us.
DEAF         no echo for 1 s, or the memory is being re-read: ask the database about each key.
ABSENT       positive evidence that no server is running: nothing can have been revoked since.
UNREACHABLE  the server may be running and we cannot ask it: nobody is let in.

All times are seconds of one monotonic clock, handed in.
"""

from enum import StrEnum
from typing import Final

from meterr.identity.model import Outage

TRUST_S: Final = 1.0
# The prober repeats its verdict at least this often (connect timeout, pause and a slow machine).
UNREACHABLE_S: Final = 2.0
# The longest that absence is believed: a restart or an upgrade of PostgreSQL, not a split network.
ABSENCE_S_MAX: Final = 300.0
_NEVER: Final = float("-inf")


class Standing(StrEnum):
    """How much this process knows about its keys right now."""

    LIVE = "live"
    DEAF = "deaf"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"


class Trust:
    """
    Turn echoes, losses and probes into a Standing.

    ``memory_until`` is the one thing the hot path reads: before it, all of the memory counts.
    """

    __slots__ = (
        "_absent_at",
        "_absent_since",
        "_known_until",
        "_live_until",
        "_on_outage",
        "_synced",
        "_unreachable_at",
        "memory_until",
    )

    def __init__(self, on_outage: Outage) -> None:
        self._on_outage = on_outage
        self._synced = False
        self._live_until = _NEVER
        self._known_until = _NEVER
        self._absent_since: float | None = None
        self._absent_at = _NEVER
        self._unreachable_at = _NEVER
        self.memory_until = _NEVER

    def standing(self, now: float) -> Standing:
        """Return what may be believed at ``now``."""
        if now < self._live_until:
            return Standing.LIVE
        if now < self._absent_at + TRUST_S:
            return Standing.ABSENT
        if now < self._unreachable_at + UNREACHABLE_S:
            return Standing.UNREACHABLE
        return Standing.DEAF

    def reached(self) -> None:
        """The server took a new connection; what memory holds may be stale until it is re-read."""
        self._fall_silent()
        self._forget_outage()
        self._settle()

    def synced(self) -> None:
        """We listen, and all of the memory was re-read after we began to."""
        self._synced = True

    def echoed(self, sent_at: float) -> None:
        """Our heartbeat of ``sent_at`` came back, and with it every change committed before it."""
        if not self._synced:
            return
        self._known_until = max(self._known_until, sent_at)
        self._live_until = self._known_until + TRUST_S
        self._forget_outage()
        self._settle()

    def lost(self) -> None:
        """The listening connection is gone or no longer answers."""
        self._fall_silent()
        self._settle()

    def absent(self, now: float) -> None:
        """Somebody proved that no server is running. A listener that still echoes knows better."""
        if self.standing(now) is Standing.LIVE:
            return
        if self._absent_since is None:
            self._absent_since = now
        self._absent_at = now
        self._unreachable_at = _NEVER
        self._settle()

    def unreachable(self, now: float) -> None:
        """The server could not be asked, and nothing proves that it is not running."""
        if self.standing(now) is Standing.LIVE:
            return
        self._forget_outage()
        self._unreachable_at = now
        self._settle()

    def holds_in_absence(self, read_at: float) -> bool:
        """
        Return whether a row read at ``read_at`` still counts while no server is running.

        It does when it was known to be true at most 1 s before the first proof of absence. What was
        last confirmed earlier may have been revoked by a server that still ran while we were deaf.
        Nor for ever: what looks like absence from here (a pooler that stopped, a failover) may be a
        server that others still reach.
        """
        if self._absent_since is None or self._on_outage is not Outage.SERVE_WARM:
            return False
        if self._absent_at - self._absent_since > ABSENCE_S_MAX:
            return False
        return max(read_at, self._known_until) > self._absent_since - TRUST_S

    def _fall_silent(self) -> None:
        self._synced = False
        self._live_until = _NEVER

    def _forget_outage(self) -> None:
        self._absent_since = None
        self._absent_at = _NEVER
        self._unreachable_at = _NEVER

    def _settle(self) -> None:
        if self._synced:
            self.memory_until = self._live_until
        elif self.holds_in_absence(_NEVER):
            self.memory_until = self._absent_at + TRUST_S
        else:
            self.memory_until = _NEVER
