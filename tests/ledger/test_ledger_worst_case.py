"""The worst case: no usage within its bounds costs more."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from price_samples import NOW_MS, flat_prices, price, tiered_prices

from meterr.core.clock import as_datetime
from meterr.core.money import EXACT
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
from meterr.ledger.price_context import CONTEXTS
from meterr.ledger.worst_case import TEXT_CLASSES, Most, WorstCase

PROVIDERS = ("openai", "anthropic", "moonshotai")


def book_prices() -> list[Price]:
    """Return every price that the bundled book has for the providers we route to."""
    book = PriceBook.bundled()
    found = (
        book.resolve(provider, model, context, NOW_MS)
        for provider in PROVIDERS
        for model in book.models(provider)
        for context in CONTEXTS
    )
    return list({each.id: each for each in found if each is not None}.values())


BOOK = book_prices()


@st.composite
def shares(draw: st.DrawFn, total: int, names: list[str]) -> dict[str, int]:
    """Spread at most ``total`` tokens over the classes ``names``."""
    left, found = total, {}
    for name in names:
        found[name] = draw(st.integers(0, left))
        left -= found[name]
    return found


@st.composite
def calls(draw: st.DrawFn, terms: Price) -> tuple[Most, Usage]:
    """Return bounds, and a usage within them."""
    sizes = st.one_of(st.integers(0, 3_000), st.integers(0, 2_000_000))
    priced = set(terms.rates)
    most = Most(
        draw(sizes) if "input" in priced else 0,
        draw(sizes) if "output" in priced else 0,
        frozenset(draw(st.sets(st.sampled_from(PRICED_CLASSES)))) | TEXT_CLASSES,
        draw(st.integers(0, 50)) if "web_search" in priced else 0,
        draw(st.integers(0, 50)) if "web_fetch" in priced else 0,
        draw(st.booleans()),
    )
    possible = most.classes | set(PRICED_CLASSES if most.unseen else OUTPUT_CLASSES)
    usable = [name for name in PRICED_CLASSES if name in possible and name in priced]
    tokens_in = draw(
        shares(most.input_tokens, draw(st.permutations([n for n in usable if n in INPUT_CLASSES])))
    )
    tokens_out = draw(shares(most.output_tokens, [n for n in usable if n in OUTPUT_CLASSES]))
    searches = draw(st.integers(0, most.web_searches))
    fetches = draw(st.integers(0, most.web_fetches))
    reasoning = draw(st.integers(0, tokens_out.get("output", 0)))
    usage = Usage(
        **tokens_in,
        **tokens_out,
        web_search=searches,
        web_fetch=fetches,
        reasoning=reasoning,
    )
    return most, usage


def assert_bounded(terms: Price, most: Most, usage: Usage) -> None:
    cost = Pricer(terms).cost(usage)
    worst = WorstCase(terms).cost(most)
    if worst is not None:
        assert cost is not None
        assert cost <= worst


@settings(max_examples=400)
@given(st.data())
def test_no_usage_within_the_bounds_costs_more_at_any_price_of_the_book(
    data: st.DataObject,
) -> None:
    """P3: what a budget reserves is at least what the call will cost."""
    terms = data.draw(st.sampled_from(BOOK))
    assert_bounded(terms, *data.draw(calls(terms)))


@given(st.data(), st.one_of(flat_prices, tiered_prices))
def test_no_usage_within_the_bounds_costs_more_at_any_price_at_all(
    data: st.DataObject, terms: Price
) -> None:
    """P3: also where tiers fall with size, or a cached token costs more than a fresh one."""
    assert_bounded(terms, *data.draw(calls(terms)))


@given(st.data(), st.lists(st.one_of(flat_prices, tiered_prices), min_size=2, max_size=3))
def test_whichever_of_several_lists_is_billed_by_costs_no_more(
    data: st.DataObject, lists: list[Price]
) -> None:
    """P3: the provider may choose the service tier, and its prices with it."""
    billed = data.draw(st.sampled_from(lists))
    most, usage = data.draw(calls(billed))
    worst = WorstCase(*lists).cost(most)
    cost = Pricer(billed).cost(usage)
    assert worst is None or cost is None or cost <= worst


def test_what_one_of_the_lists_has_no_rate_for_is_unknown() -> None:
    """P3: a class that is asked for may be billed by either."""
    most = Most(1, 1, TEXT_CLASSES | {"input_audio"})
    silent = price(dict.fromkeys(TEXT_CLASSES, Rate("1")))
    hearing = price(dict.fromkeys([*TEXT_CLASSES, "input_audio"], Rate("1")))
    assert WorstCase(hearing).cost(most) is not None
    assert WorstCase(hearing, silent).cost(most) is None


def test_the_book_has_prices_to_hold_this_against() -> None:
    """Without prices the law above would hold of nothing."""
    assert len(BOOK) > 100
    assert any(rate.tiers for terms in BOOK for rate in terms.rates.values())
    assert as_datetime(NOW_MS).year == 2026


@pytest.mark.parametrize(
    ("most", "usd"),
    [
        (Most(1_000_000, 0), "2"),  # written to the cache
        (Most(1_000_000, 1_000_000), "22"),  # drawn, though nobody asked for a picture
        (Most(0, 0, web_searches=3), "0.03"),
        (Most(0, 0), "0"),
        (Most(1, 0, TEXT_CLASSES | {"input_image"}), "0.000009"),
        (Most(1, 0, TEXT_CLASSES | {"input_audio"}), None),
        (Most(0, 0, TEXT_CLASSES | {"input_audio"}), "0"),
        (Most(0, 1, TEXT_CLASSES | {"output_audio"}), None),
        (Most(0, 0, TEXT_CLASSES | {"web_fetch"}, web_fetches=1), None),
        (Most(0, 0, web_fetches=1), "0"),
        (Most(1, 0, unseen=True), "0.000009"),
        (Most(0, 1), "0.00002"),
        (Most(0, 1, TEXT_CLASSES | {"output_image"}), "0.00002"),
    ],
)
def test_every_token_is_priced_as_the_dearest_it_may_be_billed_as(
    most: Most, usd: str | None
) -> None:
    """P1: exact; a class that is asked for without a known price makes the bound unknown."""
    cache = dict.fromkeys((name for name in TEXT_CLASSES if name.startswith("cache")), Rate("2"))
    rates = {"input": Rate("1"), **cache, "output": Rate("10"), "input_image": Rate("9")}
    rates |= {"output_image": Rate("20"), "web_search": Rate("10")}
    worst = WorstCase(price(rates)).cost(most)
    assert (None if usd is None else Decimal(usd)) == worst


def test_a_prompt_that_may_reach_a_tier_is_priced_by_the_dearest_it_can_reach() -> None:
    """P3: the bound is on the prompt's size, so every tier up to there may apply."""
    tiered = Rate("1", (Tier(100, "5"), Tier(200, "3")))
    worst = WorstCase(price(dict.fromkeys(TEXT_CLASSES, tiered)))
    assert Decimal("0.0001") == worst.cost(Most(100, 0))
    assert Decimal("0.000505") == worst.cost(Most(101, 0))
    assert EXACT.multiply(Decimal(1000), Decimal("0.000005")) == worst.cost(Most(1000, 0))
