"""Second factors and passkeys. See README.md."""

from meterr.identity.factors.demand import Demand, demand
from meterr.identity.factors.errors import FactorRefused, PasskeyRefused
from meterr.identity.factors.model import FactorProof, PasskeyProof, Vault
from meterr.identity.factors.passkey_service import Passkeys
from meterr.identity.factors.recovery_service import replace_recovery_codes, use_recovery_code
from meterr.identity.factors.totp_service import (
    begin_totp,
    check_totp,
    confirm_totp,
    find_enrolled,
    remove_totp,
)

__all__ = [
    "Demand",
    "FactorProof",
    "FactorRefused",
    "PasskeyProof",
    "PasskeyRefused",
    "Passkeys",
    "Vault",
    "begin_totp",
    "check_totp",
    "confirm_totp",
    "demand",
    "find_enrolled",
    "remove_totp",
    "replace_recovery_codes",
    "use_recovery_code",
]
