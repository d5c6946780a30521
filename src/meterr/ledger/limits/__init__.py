"""Budgets, rates and concurrency that cannot run over. See README.md."""

from meterr.ledger.limits.errors import LimitReached, LimitsUnknown
from meterr.ledger.limits.limiter import Limiter
from meterr.ledger.limits.model import Ask, LimitState, NewLimit, OnOutage
from meterr.ledger.limits.reservation import Reservation

__all__ = [
    "Ask",
    "LimitReached",
    "LimitState",
    "Limiter",
    "LimitsUnknown",
    "NewLimit",
    "OnOutage",
    "Reservation",
]
