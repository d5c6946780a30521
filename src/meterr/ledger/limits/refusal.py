"""Why a limit refused, as the caller is told. Pure."""

import math
from datetime import timedelta

from meterr.core.clock import as_datetime
from meterr.core.limits import Limit, Measure
from meterr.core.money import wire
from meterr.ledger.limits.account import Account
from meterr.ledger.limits.errors import (
    BudgetReached,
    ConcurrencyReached,
    CostUnbounded,
    LimitReached,
    RateReached,
)
from meterr.ledger.limits.lease import RATE_SPAN_S

_HELD_BY = {"tenant": "tenant", "owner": "key's owner", "key": "key", "upstream": "upstream"}


def refusal(account: Account, need: int, now: float, now_ms: int) -> LimitReached:
    """Return the error of a call that needs ``need`` units more than there are."""
    limit = account.limit
    state = account.state(now, now_ms)
    about = f"of this {_HELD_BY[limit.holder]}{_for_model(limit)}"
    if limit.measure is Measure.USD:
        ends = _end_of(state.resets_in_s, now_ms)
        return BudgetReached(
            f"The {limit.span} budget of {wire(limit.amount)} USD {about} has"
            f" {wire(state.remaining)} USD left, less than this call can cost. {ends}",
            state,
            reason="budget",
        )
    if limit.measure is Measure.CONCURRENCY:
        return ConcurrencyReached(
            f"{wire(limit.amount)} calls {about} run already; retry when one has ended.",
            state,
            reason="concurrency",
            retry_after_s=1,
        )
    after_s = _retry_after_s(account, need, now)
    return RateReached(
        f"The limit of {wire(limit.amount)} {limit.measure} per minute {about} is reached;"
        f" retry in {after_s} s.",
        state,
        reason=limit.measure,
        retry_after_s=after_s,
    )


def unbounded(account: Account, now: float, now_ms: int) -> CostUnbounded:
    """Return the error of a call of unknown cost under a hard budget."""
    return CostUnbounded(
        "What this call can cost at most is not known, and a budget holds for it; name a bound such"
        " as max_tokens, or call a model with a known price.",
        account.state(now, now_ms),
        reason="unbounded",
    )


def _retry_after_s(account: Account, need: int, now: float) -> int:
    """
    Return when to try again, at least 1 s.

    What we used ourselves we know; when others hold the rest, the pace of the limit is the guess.
    """
    ours = account.lease.ready_in(need, now)
    if ours is None:
        ours = min(RATE_SPAN_S * need / account.amount, RATE_SPAN_S) if account.amount else 60.0
    return max(math.ceil(ours), 1)


def _for_model(limit: Limit) -> str:
    return f" for {limit.model}" if limit.model else ""


def _end_of(resets_in_s: float, now_ms: int) -> str:
    if math.isinf(resets_in_s):
        return "It does not renew by itself."
    ends = as_datetime(now_ms) + timedelta(seconds=resets_in_s)
    return f"It begins anew at {ends:%Y-%m-%dT%H:%M:%SZ}."
