"""Every limit of the journal, named, with its reason."""

from dataclasses import dataclass
from enum import StrEnum


class Durability(StrEnum):
    """What a call waits for before it leaves."""

    PROCESS = "process"  # the kernel has it: survives kill -9 of anything of ours
    POWER = "power"  # the disk has it: survives the machine losing power


# A line is the unit of loss: it is small enough that one damaged sector costs a handful of them.
OPENED_BYTES_MAX = 1536  # refused above; leaves a settled of the same call room for its own fields
SETTLED_BYTES_MAX = 4096  # free text is cut until it fits; reserved when the call is opened
PRICE_BYTES_MAX = 4096  # a definition with tiers in all 13 classes takes about half of it
LINE_BYTES_MAX = 4096  # the longest of the three
UNIT_BYTES_MAX = PRICE_BYTES_MAX + LINE_BYTES_MAX  # a line and its price: what a segment may waste
# An answer may be priced by other terms than were asked for (service tier), so both are promised.
PROMISE_BYTES = SETTLED_BYTES_MAX + PRICE_BYTES_MAX
TEXT_CHARS_KEPT = 40  # of each free text of a settled that would not fit


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Sizes and times of one process's journal.

    ``total_bytes_max`` bounds all files under the root, of all processes, damaged and rejected ones
    included. A segment must hold at least a few promises, hence its lower bound of 64 KiB.
    """

    segment_bytes: int = 8 << 20  # one read and one transaction of the drain; about 10,000 calls
    segment_age_s: float = (
        60.0  # a quiet process must not hold settled rows in an open segment for long
    )
    total_bytes_max: int = 2 << 30  # about 3 million calls of PostgreSQL being away
    sync_interval_s: float = 0.010  # what a power cut may cost with Durability.PROCESS
    retry_s: float = 1.0  # between two attempts to get room on a full disk

    def __post_init__(self) -> None:
        if not 65_536 <= self.segment_bytes <= 64 << 20:
            raise ValueError("segment_bytes must lie between 64 KiB and 64 MiB")
        if self.total_bytes_max < 2 * self.segment_bytes:
            raise ValueError("total_bytes_max must allow at least two segments")
