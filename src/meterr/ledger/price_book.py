"""The price book: bundled genai-prices, beaten by the operator's overrides. Never fetches."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import genai_prices
from genai_prices.data import providers as bundled_providers
from genai_prices.types import Provider

from meterr.ledger.model import Price
from meterr.ledger.price_context import STANDARD, context_of
from meterr.ledger.price_override import NAME_CHARS_MAX, PriceOverride, override_at, price_of
from meterr.ledger.price_source import (
    FOREVER_MS,
    FoundModel,
    find_model,
    rates_at,
    steady_span,
    window_of,
)
from meterr.ledger.rates import price_with_id

# Callers choose model names, so what is remembered about names is bounded (about 2 MB).
RESOLUTIONS_MAX = 4_096


class _Resolution(NamedTuple):
    since_ms: int
    until_ms: int
    price: Price | None


class _Target(NamedTuple):
    provider: str
    model: str  # lower case: neither source tells models apart by case
    context: str


class PriceBook:
    """
    Say what a call costs per token. Not safe to share between threads.

    Providers are known by the source's exact id (``openai``, ``anthropic``, ``moonshotai``):
    a provider of your own is priced by overrides alone, however much its name resembles another.
    An override of the source's model id holds for every name of that model, one of another name for
    that name alone; among those that hold, the newest made wins.
    """

    def __init__(
        self, providers: Sequence[Provider], name: str, overrides: Iterable[PriceOverride] = ()
    ) -> None:
        self._providers = list(providers)
        self._provider_of = {provider.id: provider for provider in self._providers}
        self._name = name
        self._overrides = _by_target(overrides)
        self._resolutions: OrderedDict[tuple[str, str, str], _Resolution] = OrderedDict()
        self._windows: dict[tuple[str, str], int | None] = {}
        # One object per version, however many names lead to it; versions are finite.
        self._versions: dict[str, Price] = {}

    @classmethod
    def bundled(cls, overrides: Iterable[PriceOverride] = ()) -> Self:
        """Return the book over the prices that came with the installed genai-prices."""
        return cls(bundled_providers, f"genai-prices {genai_prices.__version__}", overrides)

    def with_overrides(self, overrides: Iterable[PriceOverride]) -> Self:
        """Return a book over the same source with these overrides and no others."""
        return type(self)(self._providers, self._name, overrides)

    def reload(self, overrides: Iterable[PriceOverride]) -> None:
        """Replace the overrides in place; calls priced from now on see them."""
        self._overrides = _by_target(overrides)
        self._resolutions.clear()

    def resolve(self, provider: str, model: str, context: str, at_unix_ms: int) -> Price | None:
        """
        Return the price version in force, or None when the price is not known.

        ``context`` is what the provider calls it (``service_tier`` or ``speed``; "" for none). An
        unknown context, or one without a price list for this model at this time, has no price.
        """
        key = (provider, model, context)
        known = self._resolutions.get(key)
        if known is not None and known.since_ms <= at_unix_ms < known.until_ms:
            self._resolutions.move_to_end(key)
            return known.price
        name = context_of(context)
        if name is None or len(model) > NAME_CHARS_MAX:
            return None
        resolution = self._resolution(_Target(provider, model.lower(), name), at_unix_ms)
        self._resolutions[key] = resolution
        if len(self._resolutions) > RESOLUTIONS_MAX:
            self._resolutions.popitem(last=False)
        return resolution.price

    def context_window(self, provider: str, model: str) -> int | None:
        """
        Return an upper bound of the model's context window in tokens, or None when nobody says.
        """
        key = (provider, model)
        if key not in self._windows:
            if len(self._windows) >= RESOLUTIONS_MAX:
                self._windows.clear()
            found = self._find(_Target(provider, model.lower(), STANDARD))
            self._windows[key] = None if found is None else window_of(found)
        return self._windows[key]

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the ids of the provider's models that the source does not call deprecated."""
        known = self._provider_of.get(provider)
        return tuple(model.id for model in known.models if not model.deprecated) if known else ()

    def _resolution(self, target: _Target, at_unix_ms: int) -> _Resolution:
        found = self._find(target)
        overrides = self._overrides_of(target, found)
        since, until = _steady_span(overrides, at_unix_ms)
        override = override_at(overrides, at_unix_ms)
        if override is not None:
            return _Resolution(since, until, self._one(price_of(override)))
        if found is None:
            return _Resolution(since, until, None)
        source_since, source_until = steady_span(found.info, at_unix_ms)
        price = self._price(found, target, at_unix_ms)
        return _Resolution(max(since, source_since), min(until, source_until), price)

    def _find(self, target: _Target) -> FoundModel | None:
        provider = self._provider_of.get(target.provider)
        return None if provider is None else find_model(provider, self._providers, target.model)

    def _overrides_of(self, target: _Target, found: FoundModel | None) -> tuple[PriceOverride, ...]:
        named = self._overrides.get(target, ())
        if found is None or not found.own:
            return named
        # A provider answers with a dated name of the model that was asked for; terms agreed for
        # the model hold for both.
        whole_model = target._replace(model=found.info.id.lower())
        return named if whole_model == target else named + self._overrides.get(whole_model, ())

    def _price(self, found: FoundModel, target: _Target, at_unix_ms: int) -> Price | None:
        rates = rates_at(found, target.context, at_unix_ms)
        if rates is None:
            return None
        price = price_with_id(
            provider=target.provider,
            model=found.info.id,
            match="exact" if found.exact else "pattern",
            source=self._name,
            context=target.context,
            rates=rates,
        )
        return self._one(price)

    def _one(self, price: Price) -> Price:
        return self._versions.setdefault(price.id, price)


def _by_target(overrides: Iterable[PriceOverride]) -> dict[_Target, tuple[PriceOverride, ...]]:
    grouped: dict[_Target, list[PriceOverride]] = {}
    for override in overrides:
        target = _Target(override.provider, override.model.lower(), override.context)
        grouped.setdefault(target, []).append(override)
    return {target: tuple(group) for target, group in grouped.items()}


def _steady_span(overrides: Iterable[PriceOverride], at_unix_ms: int) -> tuple[int, int]:
    since, until = 0, FOREVER_MS
    for override in overrides:
        for edge in (override.effective_from_ms, override.effective_to_ms):
            if edge is None:
                continue
            if edge <= at_unix_ms:
                since = max(since, edge)
            else:
                until = min(until, edge)
    return since, until
