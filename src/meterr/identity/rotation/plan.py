"""The rules of rotation: whether a key may be followed, and how long it goes on. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from meterr.core.errors import Invalid
from meterr.core.policy import Permission, Role
from meterr.core.policy.table import TABLE
from meterr.identity.model import KeyRecord, KeyState
from meterr.identity.rotation.errors import AlreadyRotated, KeyEnded
from meterr.identity.rotation.model import Asker, RotationPolicy
from meterr.identity.terms import checked_name

GRACE_MAX: Final = timedelta(days=90)
VALID_MIN: Final = timedelta(minutes=5)
VALID_MAX: Final = timedelta(days=30)
AGE_MIN: Final = timedelta(hours=1)
AGE_MAX: Final = timedelta(days=3650)
REASON_CHARS_MAX: Final = 500
_MS: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the old key. The new one keeps its terms, its expiry included."""

    grace_until_ms: int
    revoked: bool
    """Whether it ends at once, for good."""


def plan(
    key: KeyRecord, *, successor_counts: bool, grace: timedelta, now_ms: int, hurt: bool = False
) -> Plan:
    """
    Decide the rotation of ``key`` at ``now_ms``.

    The old key goes on for ``grace`` and never past its own expiry. ``hurt``: an emergency may have
    revoked it already; its successor is due to its owner all the same, unless it had expired.

    Raises:
        AlreadyRotated: it has a successor that counts.
        KeyEnded: it does not count any more, or was revoked as this one key.
    """
    if key.successor_id is not None and successor_counts:
        raise AlreadyRotated(key.successor_id)
    if key.for_good:
        raise KeyEnded
    if key.expires_at_ms is not None and now_ms >= key.expires_at_ms:
        raise KeyEnded
    if hurt:
        ends_ms = key.grace_until_ms if key.grace_until_ms is not None else now_ms
        return Plan(grace_until_ms=ends_ms, revoked=key.state is KeyState.REVOKED)
    if key.state is not KeyState.ACTIVE:
        raise KeyEnded
    if key.grace_until_ms is not None and now_ms >= key.grace_until_ms:
        raise KeyEnded
    ends_ms = now_ms + checked_grace(grace) // _MS
    # Neither its own end nor one that an emergency or a policy gave it moves away.
    for end_ms in (key.expires_at_ms, key.grace_until_ms):
        if end_ms is not None:
            ends_ms = min(ends_ms, end_ms)
    return Plan(grace_until_ms=ends_ms, revoked=ends_ms == now_ms)


def may_hand_over(role: Role | None) -> bool:
    """Return whether codes count that were made by who is this now."""
    return role is not None and Permission.TENANT_KEY_ROTATE in TABLE[role]


def checked_grace(grace: timedelta) -> timedelta:
    """Return ``grace`` if it is 0 to 90 days, else Invalid."""
    if not timedelta() <= grace <= GRACE_MAX:
        raise Invalid(f"grace is 0 to {GRACE_MAX.days} days.", param="grace")
    return grace


def checked_valid(valid: timedelta) -> timedelta:
    """Return ``valid``, the life of a code, if it is 5 minutes to 30 days, else Invalid."""
    if not VALID_MIN <= valid <= VALID_MAX:
        raise Invalid(f"valid is 5 minutes to {VALID_MAX.days} days.", param="valid")
    return valid


def checked_asker(asker: Asker) -> Asker:
    """Return who asks and why, without surrounding space; both are needed, else Invalid."""
    reason = asker.reason.strip()
    if not 1 <= len(reason) <= REASON_CHARS_MAX or not reason.isprintable():
        raise Invalid(f"reason needs 1 to {REASON_CHARS_MAX} printable characters.", param="reason")
    return replace(asker, author=checked_name(asker.author, "author"), reason=reason)


def checked_policy(policy: RotationPolicy) -> RotationPolicy:
    """Return ``policy`` if it can be kept: notice before age, times within bounds; else Invalid."""
    if not AGE_MIN <= policy.max_age <= AGE_MAX:
        raise Invalid(f"max_age is 1 hour to {AGE_MAX.days} days.", param="max_age")
    if not timedelta() <= policy.notice < policy.max_age:
        raise Invalid("notice is at least 0 and shorter than max_age.", param="notice")
    checked_grace(policy.grace)
    checked_name(policy.author, "author")
    return policy
