"""Price overrides: an operator's own terms for a model, dated, with author and reason. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import msgspec

from meterr.core.errors import Invalid
from meterr.ledger.model import PRICED_CLASSES, Price, Rate, Tier
from meterr.ledger.price_context import CONTEXTS, STANDARD
from meterr.ledger.rates import RATE_USD_MAX, price_with_id, usd_of, usd_text

NAME_CHARS_MAX = 256
REASON_CHARS_MAX = 1_000
TIME_MS_MAX = 32_503_680_000_000  # the year 3000
_REQUIRED = ("input", "output")


class NewOverride(msgspec.Struct, frozen=True):
    """What an operator asks for: times in Unix milliseconds, rates as decimal strings or Rates."""

    provider: str
    model: str  # a name, whatever its case; the price source's id covers all names of the model
    rates: Mapping[str, str | Rate]  # USD per million tokens, per thousand requests for web_*
    author: str
    reason: str
    effective_from_ms: int  # inclusive
    effective_to_ms: int | None = None  # exclusive; None for no end
    context: str = STANDARD


class PriceOverride(msgspec.Struct, frozen=True):
    """An override as stored; never changed, only outdone by a newer one."""

    override_id: str
    provider: str
    model: str
    context: str
    effective_from_ms: int
    effective_to_ms: int | None
    rates: dict[str, Rate]
    author: str
    reason: str
    created_at_ms: int

    def covers(self, at_unix_ms: int) -> bool:
        """Tell whether these terms are in force at ``at_unix_ms``."""
        ended = self.effective_to_ms is not None and at_unix_ms >= self.effective_to_ms
        return at_unix_ms >= self.effective_from_ms and not ended


def override_at(overrides: Iterable[PriceOverride], at_unix_ms: int) -> PriceOverride | None:
    """Return the one that counts at this time: the newest made, and of one instant the last id."""
    return max(
        (override for override in overrides if override.covers(at_unix_ms)),
        key=lambda override: (override.created_at_ms, override.override_id),
        default=None,
    )


def price_of(override: PriceOverride) -> Price:
    """Return the price version of an override; classes it does not name inherit inside it."""
    return price_with_id(
        provider=override.provider,
        model=override.model,
        match="override",
        source=f"override {override.override_id}",
        context=override.context,
        rates=override.rates,
    )


def checked(new: NewOverride) -> NewOverride:
    """
    Return ``new`` in canonical form.

    Raises ``Invalid`` naming the field: unknown class or context (with the nearest known one), a
    rate that is no plain decimal, no rate for input or output, an end that is not after the start.
    Zero is a price like any other, but only where it is written: nothing is free by omission.
    """
    for field in ("provider", "model", "author"):
        _require_text(field, getattr(new, field), NAME_CHARS_MAX)
    _require_text("reason", new.reason, REASON_CHARS_MAX)
    if new.context not in CONTEXTS:
        raise Invalid(_unknown("price context", new.context, CONTEXTS), param="context")
    for field in ("effective_from_ms", "effective_to_ms"):
        moment = getattr(new, field)
        if moment is not None and not 0 <= moment <= TIME_MS_MAX:
            raise Invalid("Overrides hold between 1970 and 3000.", param=field[: -len("_ms")])
    if new.effective_to_ms is not None and new.effective_to_ms <= new.effective_from_ms:
        raise Invalid("effective_to must be later than effective_from.", param="effective_to")
    return msgspec.structs.replace(new, model=new.model.lower(), rates=_checked_rates(new.rates))


def stored(sound: NewOverride, override_id: str, created_at_ms: int) -> PriceOverride:
    """Return the override that ``sound``, as ``checked`` returned it, became."""
    return PriceOverride(
        override_id=override_id,
        provider=sound.provider,
        model=sound.model,
        context=sound.context,
        effective_from_ms=sound.effective_from_ms,
        effective_to_ms=sound.effective_to_ms,
        rates=_checked_rates(sound.rates),
        author=sound.author,
        reason=sound.reason,
        created_at_ms=created_at_ms,
    )


def _require_text(field: str, value: str, chars_max: int) -> None:
    if not value.strip() or len(value) > chars_max or not value.isprintable():
        raise Invalid(f"{field} must be 1 to {chars_max} printable characters.", param=field)


def _checked_rates(rates: Mapping[str, str | Rate]) -> dict[str, Rate]:
    for name in rates:
        if name not in PRICED_CLASSES:
            raise Invalid(_unknown("price class", name, PRICED_CLASSES), param=f"rates.{name}")
    for name in _REQUIRED:
        if name not in rates:
            raise Invalid(
                f"An override prices at least input and output; {name} has no rate.",
                param=f"rates.{name}",
            )
    return {name: _checked_rate(name, rates[name]) for name in PRICED_CLASSES if name in rates}


def _checked_rate(name: str, rate: str | Rate) -> Rate:
    if isinstance(rate, str):
        return Rate(_checked_usd(name, rate))
    bounds = [tier.above for tier in rate.tiers]
    if bounds != sorted(set(bounds)) or any(above < 1 for above in bounds):
        raise Invalid("Tiers rise, and start above at least 1 token.", param=f"rates.{name}")
    tiers = tuple(Tier(tier.above, _checked_usd(name, tier.usd)) for tier in rate.tiers)
    return Rate(_checked_usd(name, rate.usd), tiers)


def _checked_usd(name: str, text: str) -> str:
    amount = usd_of(text)
    canonical = None if amount is None else usd_text(amount)
    if canonical is None:
        raise Invalid(
            f"{name} must be US dollars as a plain decimal from 0 to {RATE_USD_MAX:,}"
            " with at most 12 decimals, such as 0.15.",
            param=f"rates.{name}",
        )
    return canonical


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name[:NAME_CHARS_MAX], known, n=1, cutoff=0)
    return f"Unknown {what} {name[:40]!r}; the nearest known one is {nearest[0]!r}."
