"""What a notice says. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from meterr.core.events import Kind


class Text(NamedTuple):
    """What happened, and what to do if that is news."""

    subject: str
    what: str
    then: str


_KEY_HOLDERS: Final = "Whoever calls with it must change to another key."
_NOT_YOU: Final = (
    "If that was not you, change your password, look at your sessions, and tell your administrator."
)

TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        Kind.KEY_DUE: Text(
            "An API key is due for rotation",
            "An API key has reached the age that the rotation policy allows.",
            "Rotate it: it ends when the policy's grace is over, whether it was replaced or not.",
        ),
        Kind.KEY_ROTATED: Text(
            "An API key was rotated",
            "An API key has a successor. The old key ends when its grace is over.",
            "Give the new key to whoever uses the old one. If you did not expect this, ask your "
            "administrator.",
        ),
        Kind.KEY_REVOKED: Text(
            "An API key was revoked",
            "An API key was revoked and is refused from now on.",
            _KEY_HOLDERS,
        ),
        Kind.KEY_LEAKED: Text(
            "An API key has leaked",
            "An API key was found where it does not belong. It is refused from now on.",
            "Find out how it got there. Look at the calls made with it. " + _KEY_HOLDERS,
        ),
        Kind.KEY_EMERGENCY: Text(
            "All API keys were ended",
            "In an emergency, every API key of the tenant was ended at once.",
            "Your administrator hands out a code for the successor of each key.",
        ),
        Kind.FACTOR_ADDED: Text(
            "A second factor was added to your account",
            "Your account has a new second factor.",
            _NOT_YOU,
        ),
        Kind.FACTOR_REMOVED: Text(
            "A second factor was removed from your account",
            "A second factor of your account does not count any more.",
            _NOT_YOU,
        ),
        Kind.FACTOR_RECOVERY_USED: Text(
            "A recovery code was used",
            "Somebody signed in to your account with a recovery code.",
            _NOT_YOU,
        ),
        Kind.PASSWORD_CHANGED: Text(
            "Your password was changed",
            "The password of your account was changed. Sessions from before are over.",
            _NOT_YOU,
        ),
        Kind.PASSWORD_RESET_ISSUED: Text(
            "A password reset was issued",
            "An operator or administrator made a link with which the password of your account can "
            "be set.",
            _NOT_YOU,
        ),
        Kind.SIGN_IN_NEW_NETWORK: Text(
            "Your account is used from a new network",
            "Somebody signed in to your account, or went on with a session of it, from a network "
            "that was not seen there before.",
            _NOT_YOU,
        ),
        Kind.SESSION_REUSED: Text(
            "A session of yours was ended",
            "A token of a session of yours was used twice, so two have it. The session was ended.",
            "Sign in again. " + _NOT_YOU,
        ),
        Kind.MEMBER_ROLE_CHANGED: Text(
            "Your role was changed",
            "You have another role in a tenant.",
            "If you did not expect this, ask your administrator.",
        ),
    }
)
"""What each kind that people are told of says; whoever tells of another one gets a ValueError."""
