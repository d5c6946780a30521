"""What the drain says of itself: figures for /readyz and metrics, and sentences for the log."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class DrainState(StrEnum):
    """What the drain is doing."""

    WAITING = "waiting"  # another process drains this root
    DRAINING = "draining"
    CAUGHT_UP = "caught_up"
    STUCK = "stuck"  # the last attempt failed; ``trouble`` says why, and it goes on trying


@dataclass(frozen=True, slots=True)
class DrainReport:
    """
    Counts since this drain began, and how far it is behind.

    Duplicates are rows that were there already: replayed after a kill, never a loss.
    ``bytes_behind`` may be one segment too high per process while the drain is stuck.
    """

    state: DrainState = DrainState.CAUGHT_UP
    rows: int = 0  # newly in PostgreSQL
    duplicates: int = 0
    interrupted: int = 0  # of rows and duplicates: calls whose process died
    damaged: int = 0  # places in segments that could not be read
    cleaned: int = 0  # of rows and duplicates: refused as they were, taken in a cleaned form
    rejected: int = 0  # records that PostgreSQL refused
    open_calls: int = 0
    bytes_behind: int = 0
    oldest_unix_ms: int | None = None  # time of the oldest call read and not yet committed
    trouble: str = ""


class Notice(StrEnum):
    """What a person must hear of."""

    DAMAGED = "journal_damaged"  # bytes that could not be read: file, offset, size, reason
    REJECTED = "journal_row_rejected"  # a record PostgreSQL refused, now in rejected/
    CLEANED = "journal_row_cleaned"  # an entry that went in only after cleaning: id, reason
    PARTITION = "ledger_partition_missing"  # rows of that day go to the default partition
    STUCK = "journal_drain_stuck"


Tell = Callable[[Notice, dict[str, str | int]], None]


def first_line(text: str) -> str:
    """Return what a notice may say of PostgreSQL's words: the rest of them quotes the record."""
    return text.partition("\n")[0]
