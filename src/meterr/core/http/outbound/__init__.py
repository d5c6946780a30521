"""
Where meterr may connect to: one rule for every address that is not its own.

The client is ``outbound.client``, by itself: the gateway needs the rule, not its library.
"""

from meterr.core.http.outbound.address import Address, Kind, kind_of
from meterr.core.http.outbound.allowlist import AllowList
from meterr.core.http.outbound.destination import Destination
from meterr.core.http.outbound.errors import OutboundRefused
from meterr.core.http.outbound.guard import Guard, Resolve, WrittenGuard, check_literal
from meterr.core.http.outbound.judge import Reason, Trust

__all__ = [
    "Address",
    "AllowList",
    "Destination",
    "Guard",
    "Kind",
    "OutboundRefused",
    "Reason",
    "Resolve",
    "Trust",
    "WrittenGuard",
    "check_literal",
    "kind_of",
]
