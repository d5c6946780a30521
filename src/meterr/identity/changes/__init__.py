"""What is changed of a key after it was made: its terms, or whether it and what it made count."""

from meterr.identity.changes.errors import ChangedMeanwhile
from meterr.identity.changes.model import KEEP, Keep, KeyChange, Revoked
from meterr.identity.changes.revocation import revoke_made, revoke_of_author, revoke_with_made
from meterr.identity.changes.service import change_key

__all__ = [
    "KEEP",
    "ChangedMeanwhile",
    "Keep",
    "KeyChange",
    "Revoked",
    "change_key",
    "revoke_made",
    "revoke_of_author",
    "revoke_with_made",
]
