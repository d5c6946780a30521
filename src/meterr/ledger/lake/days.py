"""Which days may leave the ledger, and what a day's file is worth. Pure."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from meterr.core.money import EXACT

# After midnight UTC: a call that began before it may still run, and an outage of the database keeps
# entries in the journal. What comes later still is noticed, and its day written again.
SETTLING = timedelta(hours=6)


class Figures(msgspec.Struct, frozen=True):
    """What two copies of a day must agree on. ``tokens``: prompt and answer, of all classes."""

    entries: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def plus(self, other: "Figures") -> "Figures":
        """Return the figures of both together, exactly."""
        return Figures(
            self.entries + other.entries,
            self.tokens + other.tokens,
            EXACT.add(self.cost_usd, other.cost_usd),
        )

    def can_grow_to(self, other: "Figures") -> bool:
        """Tell whether entries that arrived make ``other`` of this: nothing ever shrinks."""
        return (
            other.entries > self.entries
            and other.tokens >= self.tokens
            and other.cost_usd >= self.cost_usd
        )


class DayState(StrEnum):
    """What a day's file is, seen from the database. The names are API: scripts look for them."""

    CURRENT = "current"  # file and database agree
    MISSING = "missing"  # the database has entries, the folder has no file
    LATE = "late"  # entries arrived after the file was written
    KEPT = "kept"  # the database has dropped the day: the file is the only copy
    DIFFERS = "differs"  # the database has less or other figures than the file: never replaced
    UNREADABLE = "unreadable"  # damaged, or not an export of ours: never replaced


WRITTEN_AGAIN = frozenset({DayState.MISSING, DayState.LATE})
FAULTS = frozenset({DayState.DIFFERS, DayState.UNREADABLE})


def end_of_closed(now: datetime, *, include_recent: bool) -> date:
    """Return the first UTC day that may not be exported at ``now``: today, or one that settles."""
    return (now if include_recent else now - SETTLING).date()


def judge(stored: Figures | None, exported: Figures | None) -> DayState | None:
    """
    Compare a day of the database with its file.

    Args:
        stored: The database's figures; None when it has no partition for the day.
        exported: The file's figures; None when there is no file.

    Returns:
        The state of the file, or None when there is nothing on either side.
    """
    if exported is None:
        return DayState.MISSING if stored is not None and stored.entries else None
    if stored is None:
        return DayState.KEPT
    if stored == exported:
        return DayState.CURRENT
    return DayState.LATE if exported.can_grow_to(stored) else DayState.DIFFERS
