"""The most a call can cost, from bounds on what it can use. Pure, exact, never below the cost."""

from collections.abc import Collection, Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Rounded
from typing import NamedTuple

from meterr.ledger.model import (
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    REQUEST_CLASSES,
    Price,
    Rate,
)

# As in cost.py: whole units of 10**-18 dollars per token or per request, so nothing is rounded.
_USD_DECIMALS = 18
_TOKENS_PER_RATE_DECIMALS = 6
_REQUESTS_PER_RATE_DECIMALS = 3
_EXACT = Context(prec=80, traps=[Inexact, Rounded, InvalidOperation])

TEXT_CLASSES = frozenset(
    {
        "input",
        "cache_read",
        "cache_write_5m",
        "cache_write_30m",
        "cache_write_1h",
        "cache_write_12h",
        "output",
    }
)
"""What tokens of text may be billed as, whether or not the caller asked for a cache."""


class Most(NamedTuple):
    """
    Upper bounds on what a call can use.

    Tokens may be billed in any of ``classes``; server tools are counted in requests. A class of
    ``classes`` that needs a bound of 0 is not used at all.
    """

    input_tokens: int
    output_tokens: int
    classes: Collection[str] = TEXT_CLASSES
    web_searches: int = 0
    web_fetches: int = 0


class _Step(NamedTuple):
    """The dearest units of each class for prompts above ``above``, or above any lower step."""

    above: int
    units: dict[str, int]


class WorstCase:
    """
    Bound calls under one price version from above.

    Built once per version and reused. Raises ``ValueError`` for a rate that is no exact decimal.
    """

    __slots__ = ("_steps",)

    def __init__(self, price: Price) -> None:
        bounds = {tier.above for rate in price.rates.values() for tier in rate.tiers}
        self._steps = tuple(
            _Step(above, {name: _dearest(name, rate, above) for name, rate in price.rates.items()})
            for above in sorted({-1, *bounds}, reverse=True)
        )

    def cost(self, most: Most) -> Decimal | None:
        """
        Return US dollars that no usage within ``most`` exceeds, or None when that is unknown.

        Every token is priced as the dearest class it may be billed in, at the dearest tier that a
        prompt of at most that size can reach. None when a class that may be used has no rate.
        """
        units = next(step.units for step in self._steps if most.input_tokens > step.above)
        searches, fetches = REQUEST_CLASSES
        total = 0
        for count, names in (
            (most.input_tokens, [name for name in INPUT_CLASSES if name in most.classes]),
            (most.output_tokens, [name for name in OUTPUT_CLASSES if name in most.classes]),
            (most.web_searches, [searches]),
            (most.web_fetches, [fetches]),
        ):
            if not count:
                continue
            found = [units.get(name) for name in names]
            if None in found:
                return None
            total += count * max(each or 0 for each in found)
        return Decimal(total).scaleb(-_USD_DECIMALS, _EXACT)


def dearest(bounds: Iterable[Decimal | None]) -> Decimal | None:
    """Return the largest of ``bounds``; None when one of them is unknown, or there is none."""
    largest: Decimal | None = None
    for bound in bounds:
        if bound is None:
            return None
        largest = bound if largest is None or bound > largest else largest
    return largest


def _dearest(name: str, rate: Rate, above: int) -> int:
    """Return the dearest units of ``rate`` for prompts of up to one token more than ``above``."""
    reached = [rate.usd, *(tier.usd for tier in rate.tiers if tier.above <= above)]
    places = _REQUESTS_PER_RATE_DECIMALS if name in REQUEST_CLASSES else _TOKENS_PER_RATE_DECIMALS
    try:
        return max(int(Decimal(usd).scaleb(_USD_DECIMALS - places, _EXACT)) for usd in reached)
    except ArithmeticError:
        raise ValueError(f"{name}: {rate.usd!r} is not an exact rate") from None
