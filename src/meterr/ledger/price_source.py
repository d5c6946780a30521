"""Reading genai-prices: which model a name means, its rates at a time, and when they may change."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType

import msgspec
from genai_prices import types as source

from meterr.core.clock import as_datetime
from meterr.ledger.model import Rate, Tier
from meterr.ledger.price_context import STANDARD, attributes_of
from meterr.ledger.rates import usd_text

Constraint = source.StartDateConstraint | source.TimeOfDateConstraint
FOREVER_MS = 1 << 62
_LONG_WINDOW = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

_CLASS_OF_PRICE_KEY: Mapping[str, str] = MappingProxyType(
    {
        "input_mtok": "input",
        "cache_read_mtok": "cache_read",
        "cache_write_mtok": "cache_write",
        "cache_write_5m_mtok": "cache_write_5m",
        "cache_write_1h_mtok": "cache_write_1h",
        "input_audio_mtok": "input_audio",
        "input_image_mtok": "input_image",
        "output_mtok": "output",
        "output_audio_mtok": "output_audio",
        "output_image_mtok": "output_image",
        "web_searches_kcount": "web_search",
    }
)

# Price components that the token vector cannot hold and that a model may have without its other
# calls being wrong: file search is a tool of its own; which of the cached tokens were audio or
# images is reported by no surface that meterr serves. Any other unknown component (per request, per
# hour, per character, reasoning at its own rate) makes the whole model's price unknown.
_NOT_METERED = frozenset(
    {
        "storage_searches_kcount",
        "cache_audio_read_mtok",
        "cache_image_read_mtok",
    }
)

# What is free by the provider's own word; the source lists prices and so leaves it out. Anthropic's
# documentation of its web fetch tool: no charge beyond the tokens that a page adds to the prompt.
_FREE: Mapping[str, Mapping[str, Rate]] = MappingProxyType(
    {"anthropic": MappingProxyType({"web_fetch": Rate("0")})}
)


class FoundModel(msgspec.Struct, frozen=True):
    """A model of the source that a name matched."""

    provider: str  # the source's id of the provider that was asked for
    info: source.ModelInfo
    exact: bool  # the name is one that the source spells out, not one that fits a rule of it
    own: bool  # listed under this provider; False when another provider's price stands in


def find_model(
    provider: source.Provider, providers: list[source.Provider], name: str
) -> FoundModel | None:
    """Return the source's model for ``name``, matched as the source itself would."""
    info = provider.find_model(name, all_providers=providers)
    if info is None:
        return None
    own = any(info is model for model in provider.models)
    exact = own and name.lower() in {spelled.lower() for spelled in _spelled_out(info)}
    return FoundModel(provider.id, info, exact, own)


def _spelled_out(info: source.ModelInfo) -> Iterator[str]:
    yield info.id
    pending: list[source.MatchLogic] = [info.match]
    while pending:
        clause = pending.pop()
        if isinstance(clause, source.ClauseEquals):
            yield clause.equals
        elif isinstance(clause, source.ClauseOr):
            pending += clause.or_


def rates_at(found: FoundModel, context: str, at_unix_ms: int) -> dict[str, Rate | None] | None:
    """
    Return the rates that the source states for this context at this time, or None.

    None too when the context is not the standard one and the source has no price list for it that
    is in force: another list must never stand in for it. A class that maps to None has a rate that
    cannot be billed exactly.
    """
    at = as_datetime(at_unix_ms)
    attributes = attributes_of(context)
    if context != STANDARD and not (found.own and _has_variant(found.info, attributes, at)):
        return None
    rates = _rates(found.info.get_prices(at, attributes if found.own else None))
    if rates is None or not found.own:
        return rates
    return {**_FREE.get(found.provider, {}), **rates}


def _has_variant(info: source.ModelInfo, attributes: Mapping[str, str], at: datetime) -> bool:
    return any(
        all(attributes.get(key) == value for key, value in variant.when.items())
        and (variant.constraint is None or variant.constraint.active(at))
        for variant in info.price_variants or ()
    )


def _rates(prices: source.ModelPrice) -> dict[str, Rate | None] | None:
    rates: dict[str, Rate | None] = {}
    for key, value in vars(prices).items():
        if value is None or key in _NOT_METERED:
            continue
        name = _CLASS_OF_PRICE_KEY.get(key)
        if name is None:
            return None
        rates[name] = _rate(value)
    return rates if rates.get("input") is not None else None


def _rate(value: Decimal | source.TieredPrices) -> Rate | None:
    base, steps = (value, []) if isinstance(value, Decimal) else (value.base, value.tiers)
    usd = usd_text(base)
    tiers: list[Tier] = []
    for step in steps:
        step_usd = usd_text(step.price)
        if step_usd is None:
            return None
        tiers.append(Tier(step.start, step_usd))
    return Rate(usd, tuple(tiers)) if usd is not None else None


def window_of(found: FoundModel) -> int | None:
    """
    Return a context window in tokens that the model's own is not larger than, or None.

    The source rounds (it has 1,000,000 for 1,047,576), hence a sixteenth more; and where its price
    tiers begin at or beyond the window that it states, the model has a longer one too.
    """
    window = found.info.context_window
    if not window:
        return None
    prices = found.info.prices
    lists = [each.prices for each in prices] if isinstance(prices, list) else [prices]
    tiers = (
        tier.start
        for terms in lists
        for value in vars(terms).values()
        if isinstance(value, source.TieredPrices)
        for tier in value.tiers
    )
    if any(start >= window for start in tiers):
        window = max(window, _LONG_WINDOW)
    return window + window // 16


def steady_span(info: source.ModelInfo, at_unix_ms: int) -> tuple[int, int]:
    """Return the half-open span in ms around ``at`` in which no dated price can change."""
    since, until = 0, FOREVER_MS
    for change in _changes(info, at_unix_ms):
        if change <= at_unix_ms:
            since = max(since, change)
        else:
            until = min(until, change)
    return since, until


def _changes(info: source.ModelInfo, at_unix_ms: int) -> Iterator[int]:
    for constraint in _constraints(info):
        if isinstance(constraint, source.StartDateConstraint):
            yield _unix_ms(datetime.combine(constraint.start_date, time(), UTC))
        else:
            yield from _changes_of_day(constraint, at_unix_ms)


def _changes_of_day(constraint: source.TimeOfDateConstraint, at_unix_ms: int) -> Iterator[int]:
    today = as_datetime(at_unix_ms).date()
    for edge in (constraint.start_time, constraint.end_time):
        # A zone may shift the edge into the day before or after, hence one day more on each side.
        for days in (-2, -1, 0, 1, 2):
            moment = datetime.combine(today + timedelta(days=days), edge, edge.tzinfo or UTC)
            yield _unix_ms(moment)


def _constraints(info: source.ModelInfo) -> Iterator[Constraint]:
    conditional = info.prices if isinstance(info.prices, list) else []
    for entry in (*conditional, *(info.price_variants or ())):
        if entry.constraint is not None:
            yield entry.constraint


def _unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS
