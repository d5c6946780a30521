"""The drain spends leases with the entries that name them, and closes processes it has read."""

import uuid
from decimal import Decimal
from pathlib import Path

import pytest
from drain_house import House as Drains
from journal_samples import TENANT, opened, settled
from limit_house import House

from meterr.core.limits import Limit, Measure, Span
from meterr.ledger.journal import folder
from meterr.ledger.limits import Ask, Limiter, OnOutage

COST = "0.5"


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> House:
    made = House(database_url, admin_dsn, tenant=TENANT)
    made.settle_in()
    return made


@pytest.fixture
def drains(tmp_path: Path, database_url: str, admin_dsn: str) -> Drains:
    return Drains(tmp_path / "journal", database_url, admin_dsn)
