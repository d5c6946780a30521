"""Which limits hold for a call, and what they want to know of it. Pure."""

from dataclasses import dataclass

from meterr.core.limits import Limit, Measure
from meterr.core.principal import Principal
from meterr.identity.authorisation import matches_in_any_case


@dataclass(frozen=True, slots=True)
class Applicable:
    """
    The limits that hold for one key's calls to one model at one upstream.

    True until the principal or the upstream's limit is another object.
    """

    principal: Principal
    upstream: Limit | None
    limits: tuple[Limit, ...]
    measures_tokens: bool
    """Whether some limit counts tokens or dollars, so that the call's bounds matter."""
    measures_usd: bool
    needs_bounds: bool
    """Whether one of those is hard: a call without bounds is refused."""
    needs_price: bool
    tokens_max: int | None
    """The least of the hard limits on tokens."""


def applicable(principal: Principal, upstream: Limit | None, model: str) -> Applicable:
    """Return the limits that hold for ``principal``'s calls to ``model``."""
    limits = [
        limit
        for limit in principal.limits
        if not limit.model or matches_in_any_case(limit.model, model)
    ]
    if upstream is not None:
        limits.append(upstream)
    usd = [limit for limit in limits if limit.measure is Measure.USD]
    tokens = [limit for limit in limits if limit.measure is Measure.TOKENS]
    return Applicable(
        principal,
        upstream,
        tuple(limits),
        measures_tokens=bool(usd or tokens),
        measures_usd=bool(usd),
        needs_bounds=any(limit.hard for limit in usd + tokens),
        needs_price=any(limit.hard for limit in usd),
        tokens_max=min((int(limit.amount) for limit in tokens if limit.hard), default=None),
    )
