"""Cost of one call: token vector times price version, in whole 10**-18 dollars. Pure."""

from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded
from itertools import compress
from operator import attrgetter, mul

from meterr.ledger.model import INPUT_CLASSES, PRICED_CLASSES, REQUEST_CLASSES, Price, Rate, Usage

# Every rate is a whole number of these units per token or per request, so a cost is a sum of
# products of integers: there is no step at which anything could be rounded.
_USD_DECIMALS = 18
_TOKENS_PER_RATE_DECIMALS = 6
_REQUESTS_PER_RATE_DECIMALS = 3
_EXACT = Context(
    prec=60, traps=[Inexact, Rounded, Clamped, InvalidOperation, Overflow], Emax=99, Emin=-99
)

_counts = attrgetter(*PRICED_CLASSES)
_prompt_counts = attrgetter(*INPUT_CLASSES)


class Pricer:
    """
    Price calls under one price version.

    Built once per version and reused: the rates are compiled to integers. Raises ``ValueError`` for
    a rate that is no plain non-negative decimal, or too fine to be kept in NUMERIC(38,18).
    """

    __slots__ = ("_base", "_steps", "_unpriced")

    def __init__(self, price: Price) -> None:
        for rate in price.rates.values():
            _require_rising(rate)
        self._unpriced = tuple(name not in price.rates for name in PRICED_CLASSES)
        self._base = _units_at(price, 0)
        bounds = sorted({tier.above for rate in price.rates.values() for tier in rate.tiers})
        # Highest bound first: the first that the prompt exceeds is the one that applies.
        self._steps = tuple((above, _units_at(price, above + 1)) for above in reversed(bounds))

    def cost(self, usage: Usage) -> Decimal | None:
        """
        Return US dollars, exact and unrounded, or None when a class in ``usage`` has no price.

        The tier is chosen by all prompt tokens, cached ones included. ``reasoning`` is part of
        ``output`` and costs nothing by itself. Counts are taken as they are; see ``plausibility``.
        """
        counts = _counts(usage)
        if any(compress(counts, self._unpriced)):
            return None
        units = self._base
        if self._steps:
            prompt_tokens = sum(_prompt_counts(usage))
            for above, step_units in self._steps:
                if prompt_tokens > above:
                    units = step_units
                    break
        return Decimal(sum(map(mul, counts, units))).scaleb(-_USD_DECIMALS, _EXACT)


def _units_at(price: Price, prompt_tokens: int) -> tuple[int, ...]:
    return tuple(
        _units(name, _usd_at(price.rates[name], prompt_tokens)) if name in price.rates else 0
        for name in PRICED_CLASSES
    )


def _usd_at(rate: Rate, prompt_tokens: int) -> str:
    usd = rate.usd
    for tier in rate.tiers:
        if prompt_tokens > tier.above:
            usd = tier.usd
    return usd


def _units(name: str, usd: str) -> int:
    places = _REQUESTS_PER_RATE_DECIMALS if name in REQUEST_CLASSES else _TOKENS_PER_RATE_DECIMALS
    try:
        units = Decimal(usd).scaleb(_USD_DECIMALS - places, _EXACT)
    except ArithmeticError:
        raise ValueError(f"{name}: {usd!r} is not an exact rate") from None
    if not units.is_finite() or units.is_signed() or units != int(units):
        raise ValueError(f"{name}: {usd!r} is not a rate that can be billed exactly")
    return int(units)


def _require_rising(rate: Rate) -> None:
    bounds = [tier.above for tier in rate.tiers]
    if bounds != sorted(set(bounds)) or any(above < 0 for above in bounds):
        raise ValueError("tiers must rise")
