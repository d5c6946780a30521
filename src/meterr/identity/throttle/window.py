"""
Counting attempts to sign in: windows, pauses that double, and none that lasts. Pure.

An attempt is counted before anybody looks at what it proves, so a thousand at the same moment are
a thousand; one that turns out right is taken back. A window that is full pauses for a while; each
time it fills up again without a quiet hour between, the pause doubles, up to its longest.

Right passwords are counted as well, each after it was verified: verifying takes a hasher's time,
which somebody with one password could ask for without end. Their pauses do not double.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
FAMILIAR_MS: Final = 30 * 24 * HOUR_MS
"""How long an address counts as the person's own after it signed in there."""


class Kind(StrEnum):
    """What attempts are counted under. Locks are taken in the order of these names."""

    ACCOUNT = "account"  # one account, from all addresses together
    ACCOUNT_HERE = "account_here"  # one account from one address
    ADDRESS = "address"  # one address; of IPv6, its /64
    CEREMONY = "ceremony"  # what cannot be guessed, only asked for, from one address
    FACTOR = "factor"  # the second factor of one account, from all addresses together
    GLOBAL = "global"  # everybody
    PASSED = "passed"  # right passwords of one account, from all addresses together
    PASSED_HERE = "passed_here"  # right passwords of one account from one address; of IPv6, its /48
    PASSED_SITE = "passed_site"  # right passwords of all accounts from there


@dataclass(frozen=True, slots=True)
class Rule:
    """
    How many attempts fit in a window, and what happens then.

    ``attempts`` within ``window_ms`` begin a pause of ``pause_ms``, doubled for each pause before
    it, never longer than ``pause_ms_max``. After a pause one attempt begins the next one, until
    ``HOUR_MS`` has passed since the last pause ended. With ``of_right_ones`` right ones are
    counted, no others; after a pause there is as much room as before.
    """

    attempts: int
    window_ms: int
    pause_ms: int
    pause_ms_max: int
    of_right_ones: bool = False


RULES: Final[Mapping[Kind, Rule]] = {
    # S2:116 says more than 5 a minute, S1:466 at least 5 in 5 minutes. The 5th in 5 minutes is the
    # stricter one: it implies the other.
    Kind.ACCOUNT_HERE: Rule(5, 5 * MINUTE_MS, MINUTE_MS, 15 * MINUTE_MS),
    Kind.ADDRESS: Rule(10, 5 * MINUTE_MS, MINUTE_MS, 15 * MINUTE_MS),
    Kind.CEREMONY: Rule(100, 5 * MINUTE_MS, MINUTE_MS // 6, MINUTE_MS),
    Kind.FACTOR: Rule(5, 5 * MINUTE_MS, MINUTE_MS, 15 * MINUTE_MS),
    # Many addresses against one account: addresses that the account knows are not held up.
    Kind.ACCOUNT: Rule(50, HOUR_MS, MINUTE_MS, 15 * MINUTE_MS),
    Kind.GLOBAL: Rule(1000, 5 * MINUTE_MS, MINUTE_MS // 6, MINUTE_MS),
    # At 0.2 s each, whoever knows a password takes a tenth of one core with it, from one site.
    Kind.PASSED_HERE: Rule(30, 5 * MINUTE_MS, MINUTE_MS, MINUTE_MS, of_right_ones=True),
    # Ten sites fill it; addresses that the account knows are not held up.
    Kind.PASSED: Rule(300, 5 * MINUTE_MS, MINUTE_MS, MINUTE_MS, of_right_ones=True),
    # An office behind one address, in the morning.
    Kind.PASSED_SITE: Rule(200, 5 * MINUTE_MS, 2 * MINUTE_MS, 2 * MINUTE_MS, of_right_ones=True),
}


@dataclass(frozen=True, slots=True)
class Window:
    """What is known about one subject. Times are Unix milliseconds, 0 for never."""

    began_ms: int = 0
    attempts: int = 0
    level: int = 0  # pauses so far without a quiet hour
    blocked_to_ms: int = 0
    passed_ms: int = 0  # when somebody last proved to be who they said


class Pause(NamedTuple):
    """A pause that an attempt began: when it ends, and when the one before it ended."""

    to_ms: int
    before_ms: int


def pause_left_ms(window: Window, now_ms: int, rule: Rule) -> int:
    """
    Return for how long the window is closed, 0 when it is open.

    Never more than the rule's longest pause, even if the clock was set back.
    """
    return max(0, min(window.blocked_to_ms - now_ms, rule.pause_ms_max))


def is_familiar(window: Window, now_ms: int) -> bool:
    """Return whether the subject signed in during the last 30 days."""
    return window.passed_ms > 0 and now_ms - window.passed_ms < FAMILIAR_MS


def count(window: Window, now_ms: int, rule: Rule) -> Window:
    """Return the window with one attempt more; the one that fills it begins a pause."""
    window = _aired(window, now_ms, rule)
    attempts = window.attempts + 1
    if attempts < (1 if window.level else rule.attempts):
        return replace(window, attempts=attempts)
    if rule.of_right_ones:
        return replace(window, attempts=0, blocked_to_ms=now_ms + rule.pause_ms)
    pause_ms = min(rule.pause_ms << min(window.level, 16), rule.pause_ms_max)
    return replace(window, attempts=0, level=window.level + 1, blocked_to_ms=now_ms + pause_ms)


def begun(before: Window, after: Window) -> Pause | None:
    """Return the pause that the attempt between the two began, if it did."""
    # The level alone tells too little, since a quiet hour lowers it; the end alone, since one pause
    # may end with another.
    if after.level <= before.level and after.blocked_to_ms == before.blocked_to_ms:
        return None
    return Pause(after.blocked_to_ms, before.blocked_to_ms)


def take_back(window: Window, rule: Rule, pause: Pause | None) -> Window:
    """
    Return the window without an attempt that was right; ``pause`` is the one it began, if any.

    That pause ends and the one before it counts again, so that what others did there is neither
    forgiven nor forgotten; a pause that somebody else began since stays.
    """
    if pause is None:
        return replace(window, attempts=max(0, window.attempts - 1))
    level = max(0, window.level - 1)
    kept = 0 if level else rule.attempts - 1
    blocked_ms = pause.before_ms if window.blocked_to_ms == pause.to_ms else window.blocked_to_ms
    return replace(window, attempts=kept, level=level, blocked_to_ms=blocked_ms)


def cleared(window: Window, now_ms: int) -> Window:
    """Return the window of somebody who has proved to be who they said."""
    return Window(began_ms=window.began_ms, passed_ms=max(now_ms, window.passed_ms))


def _aired(window: Window, now_ms: int, rule: Rule) -> Window:
    """Forget what is old: the attempts of a window that is over, the pauses before a quiet hour."""
    if now_ms - window.blocked_to_ms >= HOUR_MS:
        window = replace(window, level=0)
    if not 0 <= now_ms - window.began_ms < rule.window_ms:
        window = replace(window, began_ms=now_ms, attempts=0)
    return window
