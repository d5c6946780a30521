"""How routes of our own API are declared, guarded and served. See README.md."""

from meterr.core.api.allowances import Allowances, Quotas
from meterr.core.api.api import Api, Gate
from meterr.core.api.caller import Caller, CallerHere, caller_of
from meterr.core.api.documents import Asked, Instant, Shown, instant
from meterr.core.api.operation import Operation
from meterr.core.api.paging import After, Limit
from meterr.core.errors import NotConfigured

__all__ = [
    "After",
    "Allowances",
    "Api",
    "Asked",
    "Caller",
    "CallerHere",
    "Gate",
    "Instant",
    "Limit",
    "NotConfigured",
    "Operation",
    "Quotas",
    "Shown",
    "caller_of",
    "instant",
]
