"""Sums of hours and days kept beside the raw entries, and how long those stay. See README.md."""

from meterr.ledger.rollups.writer import (
    RETENTION_DAYS_MIN,
    Notice,
    RollupWriter,
    Round,
    oldest_late_hour,
)

__all__ = ["RETENTION_DAYS_MIN", "Notice", "RollupWriter", "Round", "oldest_late_hour"]
