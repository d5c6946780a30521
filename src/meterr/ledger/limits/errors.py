"""What a call is told that a limit stopped."""

from meterr.core.errors import MeterrError, Unavailable
from meterr.ledger.limits.model import LimitState


class LimitReached(MeterrError):
    """
    A limit has no room for this call.

    ``state`` is that limit as we know it. Raised as one of the kinds below, of which rates keep
    this code; ``retry_after_s`` is set on those with status 429.
    """

    code, status, title = "rate-limit-reached", 429, "Rate limit reached"

    def __init__(
        self, detail: str, state: LimitState, *, reason: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail, reason=reason, retry_after_s=retry_after_s)
        self.limit = state.limit
        self.state = state


class RateReached(LimitReached):
    """As many requests or tokens as one minute allows were let through in the last 60 seconds."""


class ConcurrencyReached(LimitReached):
    """As many calls run as may run at once."""

    code, title = "concurrency-reached", "Too many calls at once"


class BudgetReached(LimitReached):
    """The most this call can cost is more than what is left of a budget."""

    code, status, title = "budget-reached", 402, "Budget reached"


class CostUnbounded(BudgetReached):
    """Nobody can say what this call costs at most, and a hard budget holds for it."""

    code, title = "cost-unbounded", "Cost has no bound"


class LimitsUnknown(Unavailable):
    """The database is away and what this process holds of a limit is used up; retry shortly."""

    code, title = "limits-unknown", "Limits cannot be checked"
