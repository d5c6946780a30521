"""Passwords: what they must be, how they are kept, signing in with one. See README.md."""

from meterr.identity.passwords.claims import take_up
from meterr.identity.passwords.errors import FactorNeeded, SignInRefused
from meterr.identity.passwords.gate import HashersBusy
from meterr.identity.passwords.hasher import Cost, Hasher
from meterr.identity.passwords.model import PasswordProof, TakenUp
from meterr.identity.passwords.rules import checked_password
from meterr.identity.passwords.service import change_password, check_password

__all__ = [
    "Cost",
    "FactorNeeded",
    "Hasher",
    "HashersBusy",
    "PasswordProof",
    "SignInRefused",
    "TakenUp",
    "change_password",
    "check_password",
    "checked_password",
    "take_up",
]
