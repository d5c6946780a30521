"""Sums of hours and days kept beside the raw entries, and how long those stay. See README.md."""

from meterr.ledger.rollups.writer import RETENTION_DAYS_MIN, Notice, RollupWriter, Round

__all__ = ["RETENTION_DAYS_MIN", "Notice", "RollupWriter", "Round"]
