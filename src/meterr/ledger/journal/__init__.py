"""The local journal of calls, and the drain that takes it to PostgreSQL."""

from meterr.ledger.journal.drain import AnotherDrain, Drain
from meterr.ledger.journal.leftover import Leftover, Leftovers, look
from meterr.ledger.journal.limits import Durability, Limits
from meterr.ledger.journal.report import DrainReport, DrainState, Notice
from meterr.ledger.journal.writer import Journal, JournalFull

__all__ = [
    "AnotherDrain",
    "Drain",
    "DrainReport",
    "DrainState",
    "Durability",
    "Journal",
    "JournalFull",
    "Leftover",
    "Leftovers",
    "Limits",
    "Notice",
    "look",
]
