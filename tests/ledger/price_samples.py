"""Prices and usages for tests: strategies, a slow oracle, and a price source of our own making."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction

from genai_prices import types as source
from hypothesis import strategies as st

from meterr.ledger.model import (
    INPUT_CLASSES,
    PRICED_CLASSES,
    REQUEST_CLASSES,
    Price,
    Rate,
    Tier,
    Usage,
)

NOW_MS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)


def at_ms(text: str) -> int:
    """Return the Unix milliseconds of an ISO time with offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def price(rates: Mapping[str, Rate]) -> Price:
    return Price("0" * 32, "acme", "one", "exact", "test", "standard", dict(rates))


def oracle(terms: Price, usage: Usage) -> Fraction:
    """Price a call the slow way, in fractions; every class in ``usage`` has a rate."""
    prompt = sum(getattr(usage, name) for name in INPUT_CLASSES)
    total = Fraction(0)
    for name in PRICED_CLASSES:
        count = getattr(usage, name)
        if count:
            rate = terms.rates[name]
            usd = [rate.usd, *(tier.usd for tier in rate.tiers if prompt > tier.above)][-1]
            total += Fraction(usd) * count / (1_000 if name in REQUEST_CLASSES else 1_000_000)
    return total


def plus(one: Usage, other: Usage) -> Usage:
    return Usage(*(getattr(one, name) + getattr(other, name) for name in Usage.__struct_fields__))


counts = st.one_of(st.integers(0, 300_000), st.integers(0, 1_000_000_000))
usages = st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, counts))
amounts = st.decimals(0, 1_000_000, places=12).map(lambda amount: format(amount, "f"))
flat_rates = amounts.map(Rate)


@st.composite
def tiered_rates(draw: st.DrawFn) -> Rate:
    bounds = sorted(draw(st.sets(st.sampled_from([1, 1_000, 200_000, 272_000]), max_size=3)))
    return Rate(draw(amounts), tuple(Tier(above, draw(amounts)) for above in bounds))


flat_prices = st.fixed_dictionaries(dict.fromkeys(PRICED_CLASSES, flat_rates)).map(price)
tiered_prices = st.fixed_dictionaries(dict.fromkeys(PRICED_CLASSES, tiered_rates())).map(price)


def _usd(**prices: str | source.TieredPrices) -> source.ModelPrice:
    return source.ModelPrice(
        **{
            key: Decimal(value) if isinstance(value, str) else value
            for key, value in prices.items()
        }
    )


def _model(name: str, prices: object, **more: object) -> source.ModelInfo:
    return source.ModelInfo(name, source.ClauseEquals(name), prices=prices, **more)


def acme() -> source.Provider:
    """A provider with one model for each way in which a price can be hard to know."""
    july = source.StartDateConstraint(date(2026, 7, 1))
    night = source.TimeOfDateConstraint(time(22, tzinfo=UTC), time(6, tzinfo=UTC))
    conditional = source.ConditionalPrice
    plain = _usd(input_mtok="1", output_mtok="2")
    return source.Provider(
        "acme",
        "Acme",
        "https://acme",
        models=[
            _model(
                "dated",
                [
                    conditional(prices=plain),
                    conditional(july, prices=_usd(input_mtok="3", output_mtok="4")),
                ],
            ),
            _model(
                "nightly",
                [
                    conditional(prices=plain),
                    conditional(night, prices=_usd(input_mtok="0.5", output_mtok="1")),
                ],
            ),
            _model(
                "variants",
                plain,
                price_variants=[
                    source.PriceVariant({"service_tier": "flex"}, _usd(input_mtok="0.5")),
                    source.PriceVariant({"processing": "batch"}, _usd(output_mtok="1"), july),
                    source.PriceVariant(
                        {"service_tier": "priority", "region": "eu"}, _usd(input_mtok="9")
                    ),
                ],
            ),
            _model("per-request", _usd(input_mtok="1", output_mtok="2", requests_kcount="5")),
            _model(
                "thinks-dearly", _usd(input_mtok="1", output_mtok="2", output_reasoning_mtok="3")
            ),
            _model(
                "repeating-decimal",
                _usd(input_mtok="1", output_mtok="2", cache_write_mtok="0.083333333333333334"),
            ),
            _model(
                "writes",
                _usd(
                    input_mtok="1",
                    output_mtok="2",
                    cache_write_mtok="3",
                    cache_write_1h_mtok="4",
                    web_searches_kcount="10",
                    storage_searches_kcount="2.5",
                ),
            ),
            source.ModelInfo(
                "family", source.ClauseStartsWith("family"), prices=plain, deprecated=True
            ),
        ],
    )
