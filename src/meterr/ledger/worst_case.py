"""The most a call can cost, from bounds on what it can use. Pure, exact, never below the cost."""

from collections.abc import Iterable, Mapping, Sequence
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

    Tokens may be billed in any of ``classes``. Where the price has them, other classes of output
    are possible too, with ``unseen`` other classes of input. Server tools are counted in requests,
    which cost nothing where they are neither priced nor in ``classes``.
    """

    input_tokens: int
    output_tokens: int
    classes: frozenset[str] = TEXT_CLASSES
    web_searches: int = 0
    web_fetches: int = 0
    unseen: bool = False


class _Step(NamedTuple):
    """The dearest units for prompts above ``above``; None where a class may be used unpriced."""

    above: int
    input: int | None
    output: int | None
    web_search: int | None
    web_fetch: int | None


class WorstCase:
    """
    Bound calls from above that are billed under one of some price versions.

    Built once for them and reused. Raises ``ValueError`` for a rate that is no exact decimal.
    """

    __slots__ = ("_above", "_compiled", "_in_all", "_units")

    def __init__(self, *prices: Price) -> None:
        bounds = {
            tier.above for price in prices for rate in price.rates.values() for tier in rate.tiers
        }
        # Highest bound first: the first that the prompt may exceed is the one that counts.
        self._above = sorted({-1, *bounds}, reverse=True)
        self._in_all = frozenset.intersection(*(frozenset(price.rates) for price in prices))
        self._units = {above: _dearest_units(prices, above) for above in self._above}
        # There are few sets of classes: they come from what kinds of things a request holds.
        self._compiled: dict[tuple[frozenset[str], bool], tuple[_Step, ...]] = {}

    def cost(self, most: Most) -> Decimal | None:
        """
        Return US dollars that no usage within ``most`` exceeds, or None when that is unknown.

        Every token is priced as the dearest class it may be billed in, at the dearest tier that a
        prompt of at most that size can reach. None when one of ``most.classes`` may be used and has
        no rate.
        """
        steps = self._compiled.get((most.classes, most.unseen)) or self._steps(most)
        for step in steps:
            if most.input_tokens > step.above:
                break
        tokens_in, tokens_out, _, searches, fetches, _ = most
        _, units_in, units_out, units_search, units_fetch = step
        if (
            (units_in is None and tokens_in)
            or (units_out is None and tokens_out)
            or (units_search is None and searches)
            or (units_fetch is None and fetches)
        ):
            return None
        total = tokens_in * (units_in or 0) + tokens_out * (units_out or 0)
        if searches or fetches:
            total += searches * (units_search or 0) + fetches * (units_fetch or 0)
        return Decimal(total).scaleb(-_USD_DECIMALS, _EXACT)

    def _steps(self, most: Most) -> tuple[_Step, ...]:
        priced = self._units[-1].keys()
        # A class that is asked for needs a rate everywhere: it may be billed anywhere.
        unpriced = most.classes - self._in_all
        possible = most.classes | priced
        inputs = possible if most.unseen else most.classes

        def dearest(
            units: Mapping[str, int], usable: frozenset[str], among: Iterable[str]
        ) -> int | None:
            used = usable.intersection(among)
            return None if used & unpriced else max((units[name] for name in used), default=0)

        found = tuple(
            _Step(
                above,
                dearest(units, inputs, INPUT_CLASSES),
                dearest(units, possible, OUTPUT_CLASSES),
                *(dearest(units, possible, [name]) for name in REQUEST_CLASSES),
            )
            for above, units in self._units.items()
        )
        self._compiled[most.classes, most.unseen] = found
        return found


def _dearest_units(prices: Sequence[Price], above: int) -> dict[str, int]:
    """Return the dearest units of every class that one of ``prices`` has a rate for."""
    found: dict[str, int] = {}
    for price in prices:
        for name, rate in price.rates.items():
            found[name] = max(found.get(name, 0), _dearest(name, rate, above))
    return found


def _dearest(name: str, rate: Rate, above: int) -> int:
    """Return the dearest units of ``rate`` for prompts of up to one token more than ``above``."""
    reached = [rate.usd, *(tier.usd for tier in rate.tiers if tier.above <= above)]
    places = _REQUESTS_PER_RATE_DECIMALS if name in REQUEST_CLASSES else _TOKENS_PER_RATE_DECIMALS
    try:
        return max(int(Decimal(usd).scaleb(_USD_DECIMALS - places, _EXACT)) for usd in reached)
    except ArithmeticError:
        raise ValueError(f"{name}: {rate.usd!r} is not an exact rate") from None
