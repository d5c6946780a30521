"""Access tokens: JWTs of one kind, refused unless everything about them is ours. See README.md."""

from meterr.core.tokens.access import sign, verify
from meterr.core.tokens.claims import Claims, Rules
from meterr.core.tokens.errors import Flaw, TokenRefused
from meterr.core.tokens.keys import SigningKey, VerifyingKey, new_signing_key

__all__ = [
    "Claims",
    "Flaw",
    "Rules",
    "SigningKey",
    "TokenRefused",
    "VerifyingKey",
    "new_signing_key",
    "sign",
    "verify",
]
