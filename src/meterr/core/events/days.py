"""The days of security events: made ahead and dropped by whoever keeps up those of the ledger."""

from meterr.core.events.store import drop_day, ensure_days

__all__ = ["drop_day", "ensure_days"]
