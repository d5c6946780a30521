"""
What a refresh token is worth: the rule of families. Pure.

One token of a family is good. Exchanged, it stays good for 10 s more for the same answer: two tabs
ask at once, or an answer was lost. Later it is proof that two hold the session, and ends it.
"""

import hmac
from enum import StrEnum
from typing import Final

from meterr.identity.sessions.model import Ended, Family

GRACE_MS: Final = 10_000


class Turn(StrEnum):
    """What to do with a token of a family that lives."""

    ROTATE = "rotate"
    REPEAT = "repeat"
    REUSED = "reused"
    UNKNOWN = "unknown"  # newer than any we know of: the database was put back to an earlier day


def judge(family: Family, generation: int, digest: bytes, now_ms: int) -> Turn:
    """Return what to do with one of our own tokens of this family."""
    if generation > family.generation:
        return Turn.UNKNOWN
    if generation == family.generation:
        right = hmac.compare_digest(digest, family.refresh_digest)
        return Turn.ROTATE if right else Turn.UNKNOWN
    if family.previous_digest is None or family.rotated_at_ms is None:
        return Turn.REUSED
    # Hosts' clocks differ, so a moment before the exchange is within the grace as well.
    in_grace = abs(now_ms - family.rotated_at_ms) <= GRACE_MS
    if in_grace and hmac.compare_digest(digest, family.previous_digest):
        return Turn.REPEAT
    return Turn.REUSED


def over(family: Family, now_ms: int, idle_s: int) -> Ended | None:
    """Return why time has ended a family, or None while it has not."""
    if now_ms >= family.ends_at_ms:
        return Ended.OVER
    if now_ms - family.seen_at_ms >= idle_s * 1000:
        return Ended.IDLE
    return None
