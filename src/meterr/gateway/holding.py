"""What a call holds of its caller's limits while it runs: asked for before it leaves."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from meterr import ledger
from meterr.core.errors import Unavailable
from meterr.core.ids import unix_ms_of
from meterr.core.limits import Limit
from meterr.gateway.admission import Admitted, leaves_tier_open
from meterr.gateway.applicable import Applicable, applicable
from meterr.gateway.errors import CallTooLarge, CallUnbounded, PriceUnknown
from meterr.gateway.metering.bounds import Bounds, bounds_of, told_bound
from meterr.gateway.model_name import repeatable
from meterr.ledger.limits import Ask, Limiter, Reservation
from meterr.ledger.model import Price
from meterr.ledger.price_context import STANDARD
from meterr.ledger.worst_case import WorstCase

_WORST_CASES_MAX = 4096
"""Pairs of price versions whose compiled form is kept; a deployment uses some dozens."""

_BYTES_PER_TOKEN_MAX = 16
"""No text of some length has so few tokens that one of them takes more bytes, on average."""

_KNOWN_MAX = 4096
"""Pairs of key and model whose limits are kept at hand."""

_NO_USD = Decimal(0)
_NOTHING = Bounds(0, 0)
_NOTHING_MUCH = Ask(0, 0)


class Hold(NamedTuple):
    """What one call reserved, and the bounds that were reserved for. Ends exactly once."""

    limiter: Limiter
    reservation: Reservation
    bounds: Bounds
    waited: bool
    """Whether the database was asked, so that time has passed."""
    usd: Decimal
    """Reserved from each budget; 0 where soft ones let a call pass that nothing bounds."""

    def leave(self) -> None:
        """Say that the call leaves now, whatever it waited for since it reserved."""
        self.limiter.leave(self.reservation)

    def settle(self, usd: Decimal, tokens: int) -> None:
        """Give back what the call did not draw from its budgets, and not use of its tokens."""
        self.limiter.settle(self.reservation, usd, tokens)

    def release(self) -> None:
        """Give everything back: the call never left."""
        self.limiter.release(self.reservation)


class Holding:
    """
    Hold calls to their limits.

    ``upstream_limits`` has the limit of each upstream that has one, None until it is known.
    """

    def __init__(
        self,
        limiter: Limiter,
        prices: ledger.PriceBook,
        *,
        upstream_limits: Mapping[str, Limit | None],
    ) -> None:
        self._limiter = limiter
        self._prices = prices
        self._upstream_limits = upstream_limits
        self._worst_cases: dict[tuple[str, str], WorstCase] = {}
        self._known: dict[tuple[str, str, str], Applicable] = {}

    def applies(self, admitted: Admitted) -> bool:
        """Say whether any limit may hold for a call; False costs next to nothing."""
        return bool(admitted.principal.limits) or admitted.upstream.name in self._upstream_limits

    async def hold(self, admitted: Admitted, body: bytes, call_id: str) -> Hold | None:
        """
        Reserve the most that the call can use; None when no limit holds for it.

        Raises:
            LimitReached: a hard limit has no room for it now (429), or in its window (402).
            CallUnbounded: a hard limit on cost or tokens holds, and the call has no bound.
            CallTooLarge: a hard limit on tokens is less than the call takes in any case.
            PriceUnknown: a hard limit on cost holds, and what the call may use has no price.
            Unavailable: it cannot be known whether there is room.
        """
        rules = self._rules(admitted)
        limits, principal = rules.limits, rules.principal
        if not limits:
            return None
        at_unix_ms = unix_ms_of(call_id)
        bounds, usd, ask = _NOTHING, _NO_USD, _NOTHING_MUCH
        if rules.measures_tokens and admitted.surface.billed:
            bounds, usd, ask = self._asked(admitted, rules, body, at_unix_ms)
        held = self._limiter.reserve_now(principal, limits, ask, at_unix_ms)
        waited = held is None
        if held is None:
            held = await self._limiter.reserve(principal, limits, ask, at_unix_ms)
        return Hold(self._limiter, held, bounds, waited, usd)

    def _rules(self, admitted: Admitted) -> Applicable:
        principal, model = admitted.principal, admitted.facts.model
        upstream = admitted.upstream.name
        upstream_limit = self._upstream_limits.get(upstream)
        if upstream_limit is None and upstream in self._upstream_limits:
            raise Unavailable(
                "The provider's limit is not loaded yet. Retry in a moment.", retry_after_s=1
            )
        key = (principal.key_id, upstream, model)
        known = self._known.get(key)
        if known and known.principal is principal and known.upstream is upstream_limit:
            return known
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        found = self._known[key] = applicable(principal, upstream_limit, model)
        return found

    def _asked(
        self, admitted: Admitted, rules: Applicable, body: bytes, at_unix_ms: int
    ) -> tuple[Bounds, Decimal, Ask]:
        facts = admitted.facts
        bounds = bounds_of(
            admitted.surface.name,
            body,
            facts,
            provider=admitted.upstream.provider,
            window=self._prices.context_window(admitted.upstream.provider, facts.model),
            output_default=rules.principal.output_tokens_default,
        )
        tokens = bounds.tokens
        if tokens is None and rules.needs_bounds:
            raise _unbounded(admitted, bounds)
        if rules.tokens_max is not None:
            _refuse_what_never_fits(rules.tokens_max, bounds, len(body))
        usd: Decimal | None = _NO_USD
        if rules.measures_usd:
            usd = self._usd(admitted, bounds, at_unix_ms)
            if usd is None and rules.needs_price:
                raise _unpriced(admitted)
        return bounds, usd or _NO_USD, Ask.of(usd, tokens or bounds.input_tokens or 0)

    def _usd(self, admitted: Admitted, bounds: Bounds, at_unix_ms: int) -> Decimal | None:
        """Return the most that the call can cost, under every price list it may be billed by."""
        most, asked_for = bounds.most(), admitted.price
        if most is None or asked_for is None:
            return None
        other = None
        # The tier that answers may be another than the one that was asked for.
        if admitted.context != STANDARD or leaves_tier_open(admitted):
            context = "priority" if admitted.context == STANDARD else STANDARD
            other = self._prices.resolve(
                admitted.upstream.provider, admitted.facts.model, context, at_unix_ms
            )
        return self._worst_case(asked_for, other or asked_for).cost(most)

    def _worst_case(self, one: Price, other: Price) -> WorstCase:
        found = self._worst_cases.get((one.id, other.id))
        if found is None:
            if len(self._worst_cases) >= _WORST_CASES_MAX:
                self._worst_cases.clear()
            found = self._worst_cases[one.id, other.id] = WorstCase(one, other)
        return found


def _refuse_what_never_fits(tokens_max: int, bounds: Bounds, request_bytes: int) -> None:
    """
    Refuse a call that a rate of tokens could not hold if nothing else ran.

    Judged by the least that its prompt's text takes: the bound by bytes is several times what most
    takes, and a call between the two may have a whole minute for itself.
    """
    text = (request_bytes - bounds.packed) // _BYTES_PER_TOKEN_MAX
    prompt = min(bounds.input_tokens or 0, text)
    tokens = prompt + (bounds.output_tokens or 0)
    if tokens > tokens_max:
        raise CallTooLarge(
            f"This call is for {tokens} tokens or more, its answer's bound included; the limit "
            f"is {tokens_max} a minute. Ask for a shorter answer (max_tokens) or send less.",
            param="max_tokens",
            retry_after_s=60,
        )


def _unbounded(admitted: Admitted, bounds: Bounds) -> CallUnbounded:
    model = admitted.facts.model
    field = admitted.output_field or "max_tokens"
    is_told = told_bound(admitted.facts, admitted.upstream.provider) is not None
    if bounds.output_tokens is None and not is_told:
        return CallUnbounded(
            f"A limit holds for this call, and nothing bounds its answer: set {field}, or give the "
            "key a default ('meterr key create --output-tokens-default').",
            param=field,
        )
    if bounds.output_tokens is None and not bounds.cause:
        return CallUnbounded(
            f"A limit holds for this call, and its reasoning may come on top of {field}, by as "
            f"much as the context window of '{model}', which is not known. Use a provider that "
            "is known to count it.",
            param=field,
        )
    cause = repeatable(bounds.cause)
    what = f"'{cause}'" if cause else "a field in it"
    return CallUnbounded(
        f"A limit holds for this call, and nothing bounds what {what} makes the provider read or "
        f"bill: it goes by prices of its own, or the context window of '{model}' is not known. "
        "Leave it out, or send what it refers to in the request itself.",
        param=cause or None,
    )


def _unpriced(admitted: Admitted) -> PriceUnknown:
    if admitted.price is None:
        return PriceUnknown(
            f"A budget holds for this call, and no price is known for the model "
            f"'{admitted.facts.model}'. Set one with 'meterr price set'.",
            param="model",
        )
    return PriceUnknown(
        "A budget holds for this call, and what it may use (sound, pictures or a server tool) has "
        f"no known price for the model '{admitted.facts.model}'. Leave that out, or set the price "
        "with 'meterr price set'.",
        param="model",
    )
