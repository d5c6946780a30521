"""Keys that were found where they do not belong: found by format, revoked, never repeated."""

from meterr.identity.leaks.scan import scan
from meterr.identity.leaks.service import Fate, Leak, revoke_found, revoke_leaked

__all__ = ["Fate", "Leak", "revoke_found", "revoke_leaked", "scan"]
