"""Attempts to sign in are counted, and paused when they are too many. See README.md."""

from meterr.identity.throttle.errors import TooManyAttempts
from meterr.identity.throttle.service import Attempt, Throttle
from meterr.identity.throttle.subject import Proof
from meterr.identity.throttle.window import RULES, Kind, Rule

__all__ = ["RULES", "Attempt", "Kind", "Proof", "Rule", "Throttle", "TooManyAttempts"]
