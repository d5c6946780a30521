"""
The lives of signing keys: next, current, previous, gone. Pure.

Every process knows a key before it signs (``next``), accepts what it signed until the last token
of it is over (``previous``), and nothing of it afterwards.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterr.core.tokens import VerifyingKey

PUBLISHED_MS_MIN: Final = 5_000
"""A key signs no earlier than this after it was published: notices take milliseconds, and whoever
does not hear asks the database."""
SLACK_MS: Final = 60_000
"""A previous key is accepted this much longer than a token lives: a sign-in that had read the key
before the rotation may still be signing."""


class KeyState(StrEnum):
    """Where in its life a key is. There is no way back."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that tokens are verified with; ``accepted_to_ms`` is None until it stops signing."""

    key: VerifyingKey
    state: KeyState
    accepted_to_ms: int | None

    def accepts(self, now_ms: int) -> bool:
        """Return whether tokens of this key count at ``now_ms``."""
        return self.state is not KeyState.GONE and (
            self.accepted_to_ms is None or now_ms < self.accepted_to_ms
        )


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key as an operator sees it: everything but the key."""

    kid: str
    state: KeyState
    created_at_ms: int
    accepted_to_ms: int | None

    def state_at(self, now_ms: int) -> KeyState:
        """Return the state with the time taken into account: a previous key ends by itself."""
        over = self.accepted_to_ms is not None and now_ms >= self.accepted_to_ms
        return KeyState.GONE if over else self.state


def wait_ms(next_key: KeyRecord, now_ms: int) -> int:
    """Return how long the next key must still be known before it may sign; 0 when it may."""
    return max(0, min(PUBLISHED_MS_MIN, next_key.created_at_ms + PUBLISHED_MS_MIN - now_ms))


def signs_since_ms(next_key: KeyRecord) -> int:
    """Return when the current key began to sign: the next one is made at that moment."""
    return next_key.created_at_ms


def accepted_to_ms(now_ms: int, access_s: int, leeway_s: int) -> int:
    """Return until when tokens of a key count that stops signing now."""
    return now_ms + (access_s + leeway_s) * 1000 + SLACK_MS
