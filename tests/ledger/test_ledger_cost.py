"""Cost: token vector times price version, exactly."""

from decimal import Decimal
from fractions import Fraction

import genai_prices
import pytest
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st
from price_samples import (
    NOW_MS,
    flat_prices,
    oracle,
    plus,
    price,
    tiered_prices,
    usages,
)

from meterr.core.clock import as_datetime
from meterr.core.money import EXACT, wire
from meterr.ledger import PriceBook, Pricer
from meterr.ledger.model import (
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    PRICED_CLASSES,
    Price,
    Rate,
    Tier,
    Usage,
)

WITNESSED = ("openai", "anthropic", "moonshotai")
TIERED = {"input": Rate("1", (Tier(200_000, "2"),)), "output": Rate("10", (Tier(200_000, "15"),))}


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def cost(terms: Price | None, usage: Usage) -> str:
    assert terms is not None
    found = Pricer(terms).cost(usage)
    return "unknown" if found is None else wire(found)


def test_cached_tokens_of_kimi_are_billed_once_and_at_their_own_rate(book: PriceBook) -> None:
    """Issue 2: Kimi k2.6, 10,000 in of which 8,000 cached, 100 out, is exactly 0.00358 USD."""
    terms = book.resolve("moonshotai", "kimi-k2.6", "", NOW_MS)
    assert "0.00358" == cost(terms, Usage(input=2_000, cache_read=8_000, output=100))


def test_twelve_embedding_tokens_cost_twenty_four_hundred_millionths(book: PriceBook) -> None:
    """S1:106: 12 tokens at 0.02 USD/M are 0.00000024, and a million such calls 0.24 exactly."""
    terms = book.resolve("openai", "text-embedding-3-small", "", NOW_MS)
    assert terms is not None
    one = Pricer(terms).cost(Usage(input=12))
    assert Decimal("0.00000024") == one
    total = Decimal(0)
    for _ in range(1_000_000):
        total = EXACT.add(total, one)
    assert Decimal("0.24") == total


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input=1_000_000), "5"),
        (Usage(cache_read=1_000_000), "0.5"),
        (Usage(cache_write_5m=1_000_000), "6.25"),
        (Usage(cache_write_30m=1_000_000), "6.25"),
        (Usage(cache_write_12h=1_000_000), "6.25"),
        (Usage(cache_write_1h=1_000_000), "10"),
        (Usage(output=1_000_000, reasoning=900_000), "25"),
        (Usage(output_audio=1), "unknown"),
        (Usage(input_audio=1), "unknown"),
        (Usage(output_image=1), "unknown"),
        (Usage(input_image=1_000_000), "5"),
        (Usage(web_search=3), "0.03"),
        (Usage(), "0"),
    ],
)
def test_every_class_pays_its_own_rate_or_its_parents(
    book: PriceBook, usage: Usage, usd: str
) -> None:
    """P1: Claude Opus 4.8 as printed; a class without rate and parent is unknown, never 0."""
    assert usd == cost(book.resolve("anthropic", "claude-opus-4-8", "", NOW_MS), usage)


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "gpt-4o-mini-audio-preview"])
def test_sound_is_never_billed_as_text(book: PriceBook, model: str) -> None:
    """P1: the source lists only text for these, and sound costs about ten times as much."""
    terms = book.resolve("openai", model, "", NOW_MS)
    assert "unknown" != cost(terms, Usage(input=100, output=100))
    assert "unknown" == cost(terms, Usage(input=100, input_audio=1, output=100))
    assert "unknown" == cost(terms, Usage(input=100, output=100, output_audio=1))
    own = book.resolve("openai", "gpt-audio", "", NOW_MS)
    assert "32" == cost(own, Usage(input_audio=1_000_000))


def test_fetching_pages_is_free_where_the_provider_says_so(book: PriceBook) -> None:
    """P1: Anthropic bills the tokens fetched and no request; nobody else's fetches are known."""
    usage = Usage(input=1_000_000, web_fetch=7)
    assert "5" == cost(book.resolve("anthropic", "claude-opus-4-8", "", NOW_MS), usage)
    assert "unknown" == cost(book.resolve("openai", "gpt-5.4", "", NOW_MS), usage)
    lent = book.resolve("azure", "claude-opus-4-8", "", NOW_MS)
    assert lent is None or "unknown" == cost(lent, usage)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(input=200_000, output=1), "0.20001"),
        (Usage(input=200_001, output=1), "0.400017"),
        (Usage(input=1, cache_read=200_000, output=1_000_000), "15.400002"),
        (Usage(output=300_000), "3"),
    ],
)
def test_a_tier_starts_above_its_bound_and_prices_the_whole_call(usage: Usage, usd: str) -> None:
    """P1: a cliff, not a staircase; all prompt tokens count towards it, cached ones included."""
    rates = {**TIERED, "cache_read": TIERED["input"]}
    assert usd == cost(price(rates), usage)


@given(st.one_of(flat_prices, tiered_prices), usages)
def test_a_cost_is_the_fraction_that_paper_would_give(terms: Price, usage: Usage) -> None:
    """P1: unrounded, whatever the counts and the rates."""
    found = Pricer(terms).cost(usage)
    assert found is not None
    assert oracle(terms, usage) == Fraction(found)
    assert found.as_tuple().exponent == -18
    assert found < Decimal(10) ** 20  # NUMERIC(38,18) holds it


@given(flat_prices, usages, usages)
def test_splitting_a_call_never_changes_what_it_costs(
    terms: Price, one: Usage, other: Usage
) -> None:
    """P1: the sum of the entries' costs is the cost of the sum, within one tier."""
    pricer = Pricer(terms)
    first, second = pricer.cost(one), pricer.cost(other)
    assert first is not None
    assert second is not None
    assert EXACT.add(first, second) == pricer.cost(plus(one, other))


@given(flat_prices, usages, st.sampled_from(PRICED_CLASSES))
def test_one_more_token_never_costs_less(terms: Price, usage: Usage, name: str) -> None:
    """P1: cost is monotone in every class."""
    pricer = Pricer(terms)
    before, after = pricer.cost(usage), pricer.cost(plus(usage, Usage(**{name: 1})))
    assert before is not None
    assert after is not None
    assert before <= after


@given(tiered_prices, usages, st.sampled_from(PRICED_CLASSES))
def test_a_class_without_a_rate_makes_the_cost_unknown_only_when_used(
    terms: Price, usage: Usage, name: str
) -> None:
    """P1: unknown is None; it is neither 0 nor a reason to refuse calls that do not use it."""
    rest = {other: rate for other, rate in terms.rates.items() if other != name}
    found = Pricer(price(rest)).cost(usage)
    assert (found is None) == (getattr(usage, name) > 0)


@pytest.mark.parametrize(
    "rate",
    [Rate("-1"), Rate("NaN"), Rate("Infinity"), Rate("0.0000000000001"), Rate("x"), Rate(""),
     Rate("1", (Tier(5, "1"), Tier(5, "2"))), Rate("1", (Tier(-1, "1"),)), Rate("1e-40")],
)  # fmt: skip
def test_a_rate_that_cannot_be_billed_exactly_is_refused(rate: Rate) -> None:
    """P1: nothing is rounded silently, so what would need rounding never gets a pricer."""
    with pytest.raises(ValueError):
        Pricer(price({"input": rate}))


def _witness_usage(usage: Usage) -> genai_prices.Usage:
    written = sum(getattr(usage, name) for name in INPUT_CLASSES if name.startswith("cache_write"))
    return genai_prices.Usage(
        input_tokens=sum(getattr(usage, name) for name in INPUT_CLASSES),
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_1h,
        input_audio_tokens=usage.input_audio,
        input_image_tokens=usage.input_image,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        output_tokens=sum(getattr(usage, name) for name in OUTPUT_CLASSES),
        output_audio_tokens=usage.output_audio,
        output_image_tokens=usage.output_image,
        web_searches=usage.web_search,
    )


plain_counts = st.one_of(st.just(0), st.integers(0, 400_000))
plain_usages = st.builds(
    Usage,
    **dict.fromkeys(
        ("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image",
         "output", "output_audio", "output_image"),
        plain_counts,
    ),
)  # fmt: skip
CONTEXTS = {
    "": None,
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


@pytest.mark.parametrize("provider", WITNESSED)
@settings(max_examples=15)
@given(usage=plain_usages, days=st.integers(0, 400))
def test_genai_prices_itself_agrees_on_every_model(
    book: PriceBook, provider: str, usage: Usage, days: int
) -> None:
    """
    P1: an independent witness, over all models of three providers, contexts and dates.

    Classes that have no price with us are left out: the witness bills sound as text there.
    """
    at = NOW_MS - days * 86_400_000
    witnessed = 0
    for model in (
        model.id for known in providers if known.id == provider for model in known.models
    ):
        for context, attributes in CONTEXTS.items():
            terms = book.resolve(provider, model, context, at)
            if terms is not None:
                known = Usage(**{name: getattr(usage, name) for name in terms.rates})
                found = Pricer(terms).cost(known)
                told = genai_prices.calc_price(
                    _witness_usage(known),
                    model,
                    provider_id=provider,
                    genai_request_timestamp=as_datetime(at),
                    price_context=attributes,
                )
                assert (model, told.total_price) == (model, found)
                witnessed += 1
    assert witnessed
