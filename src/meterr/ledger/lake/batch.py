"""How much of a day is in memory at once. Pure."""

from typing import NamedTuple


class BatchLimits(NamedTuple):
    """A batch is full at ``rows_max`` or ``bytes_max``; it becomes one row group of a file."""

    # Readers skip and share out whole row groups: large ones compress better, small ones are kinder
    # to memory. With entries of 400 bytes both limits come to about the same.
    rows_max: int = 65_536
    bytes_max: int = 32 * 1024 * 1024
    # One short statement each, and what PostgreSQL's answer may occupy beside the batch.
    page_rows: int = 10_000


class Batch:
    """Rows that wait to be written: never more than ``rows_max``, nor ``bytes_max`` and one row."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._rows: list[bytes] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether what is here has to be taken before more is added."""
        limits = self._limits
        return len(self._rows) >= limits.rows_max or self._bytes >= limits.bytes_max

    def add(self, row: bytes) -> None:
        """Add a row to a batch that is not full."""
        self._rows.append(row)
        self._bytes += len(row)

    def take(self) -> list[bytes]:
        """Return the rows in their order and begin again with none."""
        rows, self._rows, self._bytes = self._rows, [], 0
        return rows
