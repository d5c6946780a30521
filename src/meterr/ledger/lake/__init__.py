"""Closed days of the ledger as files for DuckDB, Spark and others. See README.md."""

from meterr.ledger.lake.batch import BatchLimits
from meterr.ledger.lake.days import FAULTS, SETTLING, DayState, Figures, end_of_closed
from meterr.ledger.lake.library import parquet_format
from meterr.ledger.lake.model import EVERY_TENANT, DayReport, Wanted
from meterr.ledger.lake.service import Lake

__all__ = [
    "EVERY_TENANT",
    "FAULTS",
    "SETTLING",
    "BatchLimits",
    "DayReport",
    "DayState",
    "Figures",
    "Lake",
    "Wanted",
    "end_of_closed",
    "parquet_format",
]
