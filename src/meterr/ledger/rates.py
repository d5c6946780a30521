"""Rates of one price: how they are written, who inherits whose, and the digest. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType

import msgspec

from meterr.core.money import wire
from meterr.ledger.model import PRICED_CLASSES, Price, Rate

# 10**-12 of a dollar per million tokens is 10**-18 per token: the scale of NUMERIC(38,18).
RATE_DECIMALS_MAX = 12
# One dollar a token. A dearer rate is a slip of the point, and would leave NUMERIC(38,18) its room.
RATE_USD_MAX = Decimal(1_000_000)
_PLAIN_DECIMAL = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,12})?")
_ID_HEX_DIGITS = 32

# Who pays whose rate. A class that is absent here has no substitute: without a rate of its own its
# cost is unknown. Sound, in or out, and pictures that come out cost many times what text does, so
# text's rate says nothing about them; pictures that go in are billed as text tokens wherever a
# list has no rate for them. `cache_write` is a step on the way, not a class.
_PARENT: Mapping[str, str] = MappingProxyType(
    {
        "cache_read": "input",
        "cache_write": "input",
        "cache_write_5m": "cache_write",
        "cache_write_30m": "cache_write",
        "cache_write_1h": "cache_write",
        "cache_write_12h": "cache_write",
        "input_image": "input",
    }
)


def expanded(rates: Mapping[str, Rate | None]) -> dict[str, Rate]:
    """
    Return a rate for every class that has one or inherits one, in the order of ``PRICED_CLASSES``.

    A class that stays absent has no known price: a call that uses it has no known cost. A rate of
    None says so outright and ends the search: what exists but is unusable is not substituted.
    """
    found = ((name, _inherited(rates, name)) for name in PRICED_CLASSES)
    return {name: rate for name, rate in found if rate is not None}


def _inherited(rates: Mapping[str, Rate | None], name: str) -> Rate | None:
    step: str | None = name
    while step is not None:
        if step in rates:
            return rates[step]
        step = _PARENT.get(step)
    return None


def usd_of(text: str) -> Decimal | None:
    """Read a rate written as digits and a point with at most 12 decimals; None if it is not."""
    if not _PLAIN_DECIMAL.fullmatch(text):
        return None
    amount = Decimal(text)
    return amount if amount <= RATE_USD_MAX else None


def usd_text(amount: Decimal) -> str | None:
    """Write a rate in its one canonical form; None when it cannot be billed exactly."""
    if not amount.is_finite() or amount.is_signed() or amount > RATE_USD_MAX:
        return None
    text = wire(amount)
    return text if usd_of(text) is not None else None


def version_of(
    *,
    provider: str,
    model: str,
    match: str,
    source: str,
    context: str,
    rates: Mapping[str, Rate],
) -> str:
    """Return the id of these terms: 32 hex digits of SHA-256 over their canonical JSON."""
    terms = {
        "provider": provider,
        "model": model,
        "match": match,
        "source": source,
        "context": context,
        "rates": {
            name: [rate.usd, *([tier.above, tier.usd] for tier in rate.tiers)]
            for name, rate in rates.items()
        },
    }
    return sha256(msgspec.json.encode(terms, order="sorted")).hexdigest()[:_ID_HEX_DIGITS]


def price_with_id(
    *,
    provider: str,
    model: str,
    match: str,
    source: str,
    context: str,
    rates: Mapping[str, Rate | None],
) -> Price:
    """Build the price version of these terms: rates expanded, id taken from the result."""
    complete = expanded(rates)
    price_id = version_of(
        provider=provider, model=model, match=match, source=source, context=context, rates=complete
    )
    return Price(price_id, provider, model, match, source, context, complete)


def is_unaltered(price: Price) -> bool:
    """Tell whether a stored price still has the terms its id was taken from."""
    return price.id == version_of(
        provider=price.provider,
        model=price.model,
        match=price.match,
        source=price.source,
        context=price.context,
        rates=price.rates,
    )
