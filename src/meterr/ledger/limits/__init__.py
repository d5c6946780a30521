"""Budgets, rates and concurrency that cannot run over. See README.md."""

from meterr.ledger.limits.errors import LimitReached, LimitsUnknown
from meterr.ledger.limits.limiter import Limiter
from meterr.ledger.limits.model import Ask, LimitEvent, LimitRecord, LimitState, NewLimit, OnOutage
from meterr.ledger.limits.reservation import Reservation
from meterr.ledger.limits.service import (
    end_limit,
    ensure_upstream_limit,
    limit_events,
    list_limits,
    set_limit,
)

__all__ = [
    "Ask",
    "LimitEvent",
    "LimitReached",
    "LimitRecord",
    "LimitState",
    "Limiter",
    "LimitsUnknown",
    "NewLimit",
    "OnOutage",
    "Reservation",
    "end_limit",
    "ensure_upstream_limit",
    "limit_events",
    "list_limits",
    "set_limit",
]
