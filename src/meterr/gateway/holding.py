"""What a call holds of its caller's limits while it runs: asked for before it leaves."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from meterr import ledger
from meterr.core.errors import Unavailable
from meterr.core.ids import unix_ms_of
from meterr.core.limits import Limit, Measure
from meterr.gateway.admission import Admitted, leaves_tier_open
from meterr.gateway.errors import CallTooLarge, CallUnbounded, PriceUnknown
from meterr.gateway.metering.bounds import Bounds, bounds_of
from meterr.identity.authorisation import matches
from meterr.ledger.limits import Ask, Limiter, Reservation
from meterr.ledger.model import Price
from meterr.ledger.price_context import STANDARD
from meterr.ledger.worst_case import WorstCase

_WORST_CASES_MAX = 4096
"""Price versions whose compiled form is kept; a deployment uses some dozens."""

_BYTES_PER_TOKEN_MAX = 16
"""No text of some length has so few tokens that one of them takes more bytes, on average."""

_NEEDS_BOUNDS = (Measure.USD, Measure.TOKENS)
_NOTHING = Bounds(0, 0)
_NOTHING_MUCH = Ask(Decimal(0), 0)


class Hold(NamedTuple):
    """What one call reserved, and the bounds that were reserved for. Ends exactly once."""

    limiter: Limiter
    reservation: Reservation
    bounds: Bounds
    waited: bool
    """Whether the database was asked, so that time has passed."""

    def settle(self, usd: Decimal | None, tokens: int) -> None:
        """Give back what the call did not use; of an unknown cost (None) nothing."""
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
        self._worst_cases: dict[str, WorstCase] = {}

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
        limits = self._limits_of(admitted)
        if not limits:
            return None
        at_unix_ms = unix_ms_of(call_id)
        bounds, ask = self._asked(admitted, limits, body, at_unix_ms)
        principal = admitted.principal
        held = self._limiter.reserve_now(principal, limits, ask, at_unix_ms)
        waited = held is None
        if held is None:
            held = await self._limiter.reserve(principal, limits, ask, at_unix_ms)
        return Hold(self._limiter, held, bounds, waited)

    def _limits_of(self, admitted: Admitted) -> Sequence[Limit]:
        # Prices do not care for case, nor do many providers: neither may a way around a limit.
        model = admitted.facts.model.casefold()
        found = [
            limit
            for limit in admitted.principal.limits
            if not limit.model or matches(limit.model.casefold(), model)
        ]
        name = admitted.upstream.name
        if name in self._upstream_limits:
            upstream_limit = self._upstream_limits[name]
            if upstream_limit is None:
                raise Unavailable(
                    "The provider's limit is not loaded yet. Retry in a moment.", retry_after_s=1
                )
            found.append(upstream_limit)
        return found

    def _asked(
        self, admitted: Admitted, limits: Sequence[Limit], body: bytes, at_unix_ms: int
    ) -> tuple[Bounds, Ask]:
        measured = [limit for limit in limits if limit.measure in _NEEDS_BOUNDS]
        if not measured or not admitted.surface.billed:
            return _NOTHING, _NOTHING_MUCH
        facts = admitted.facts
        bounds = bounds_of(
            admitted.surface.name,
            body,
            facts,
            window=self._prices.context_window(admitted.upstream.provider, facts.model),
            output_default=admitted.principal.output_tokens_default,
        )
        tokens = bounds.tokens
        if tokens is None and any(limit.hard for limit in measured):
            raise _unbounded(admitted, bounds)
        _refuse_what_never_fits(measured, bounds, len(body))
        usd: Decimal | None = Decimal(0)
        budgets = [limit for limit in measured if limit.measure is Measure.USD]
        if budgets:
            usd = self._usd(admitted, bounds, at_unix_ms)
            if usd is None and any(limit.hard for limit in budgets):
                raise _unpriced(admitted)
        return bounds, Ask(usd, tokens or bounds.input_tokens or 0)

    def _usd(self, admitted: Admitted, bounds: Bounds, at_unix_ms: int) -> Decimal | None:
        """Return the most that the call can cost, under every price list it may be billed by."""
        most, asked_for = bounds.most(), admitted.price
        if most is None or asked_for is None:
            return None
        usd = self._worst_case(asked_for).cost(most)
        # The tier that answers may be another than the one that was asked for.
        context = STANDARD
        if admitted.context == STANDARD:
            if not leaves_tier_open(admitted):
                return usd
            context = "priority"
        other = self._prices.resolve(
            admitted.upstream.provider, admitted.facts.model, context, at_unix_ms
        )
        if usd is None or other is None or other is asked_for:
            return usd
        others = self._worst_case(other).cost(most)
        return None if others is None else max(usd, others)

    def _worst_case(self, price: Price) -> WorstCase:
        found = self._worst_cases.get(price.id)
        if found is None:
            if len(self._worst_cases) >= _WORST_CASES_MAX:
                self._worst_cases.clear()
            found = self._worst_cases[price.id] = WorstCase(price)
        return found


def _refuse_what_never_fits(limits: Sequence[Limit], bounds: Bounds, request_bytes: int) -> None:
    """
    Refuse a call that a rate of tokens could not hold if nothing else ran.

    Judged by the least that its prompt takes: the bound by bytes is several times what most text
    takes, and a call between the two may have a whole minute for itself.
    """
    prompt = min(bounds.input_tokens or 0, request_bytes // _BYTES_PER_TOKEN_MAX)
    tokens = prompt + (bounds.output_tokens or 0)
    for limit in limits:
        if limit.measure is Measure.TOKENS and limit.hard and tokens > limit.amount:
            raise CallTooLarge(
                f"This call is for {tokens} tokens or more, its answer's bound included; the limit "
                f"is {limit.amount:f} a minute. Ask for a shorter answer (max_tokens) or send "
                "less.",
                param="max_tokens",
                retry_after_s=60,
            )


def _unbounded(admitted: Admitted, bounds: Bounds) -> CallUnbounded:
    model = admitted.facts.model
    if bounds.output_tokens is None:
        field = admitted.output_field or "max_tokens"
        return CallUnbounded(
            f"A limit holds for this call, and nothing bounds its answer: set {field}, or give the "
            "key a default ('meterr key create --output-tokens-default').",
            param=field,
        )
    return CallUnbounded(
        "A limit holds for this call, and nothing bounds what it makes the provider read from "
        f"elsewhere, because the context window of '{model}' is not known: send files, earlier "
        "turns and search results in the request itself."
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
