"""The price book: which price is in force, and when none is known."""

from itertools import pairwise

import pytest
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st
from price_samples import NOW_MS, acme, at_ms

from meterr.ledger import PriceBook
from meterr.ledger.model import Price, Rate, Tier
from meterr.ledger.price_book import RESOLUTIONS_MAX
from meterr.ledger.price_source import find_model, rates_at
from meterr.ledger.rates import is_unaltered, version_of

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


@pytest.fixture
def small() -> PriceBook:
    return PriceBook([acme()], "acme 1")


def input_usd(terms: Price | None) -> str | None:
    return None if terms is None else terms.rates["input"].usd


class TestPriceContexts:
    @pytest.mark.parametrize("context", ["", "standard", "default", "auto"])
    def test_every_name_of_the_standard_tier_is_one_price_version(
        self, book: PriceBook, context: str
    ) -> None:
        """P1: OpenAI says default, Anthropic standard; the ledger keeps one name."""
        standard = book.resolve("openai", "gpt-4.1", "", NOW_MS)
        assert standard is book.resolve("openai", "gpt-4.1", context, NOW_MS)
        assert standard is not None
        assert "standard" == standard.context

    @pytest.mark.parametrize(
        ("provider", "model", "context", "usd"),
        [
            ("openai", "gpt-4.1", "priority", "3.5"),
            ("openai", "gpt-4.1", "fast", "3.5"),
            ("openai", "gpt-4.1", "batch", "1"),
            ("openai", "gpt-5", "flex", "0.625"),
            ("anthropic", "claude-opus-4-8", "fast", "10"),
            ("anthropic", "claude-opus-4-8", "batch", "2.5"),
        ],
    )
    def test_a_tier_with_a_price_list_has_its_own_price(
        self, book: PriceBook, provider: str, model: str, context: str, usd: str
    ) -> None:
        """P1: OpenAI's service_tier, Anthropic's speed and batch select the source's variant."""
        terms = book.resolve(provider, model, context, NOW_MS)
        assert usd == input_usd(terms)
        assert terms is not None
        assert context == terms.context

    @pytest.mark.parametrize(
        ("provider", "model", "context"),
        [
            ("openai", "gpt-4.1", "flex"),
            ("openai", "gpt-4.1", "scale"),
            ("openai", "gpt-4.1", "turbo"),
            ("openai", "gpt-4.1", "Default"),
            ("openai", "gpt-4.1", "true"),
            ("anthropic", "claude-opus-4-8", "priority"),
            ("anthropic", "claude-opus-4-7", "fast"),
            ("moonshotai", "kimi-k2.6", "batch"),
        ],
    )
    def test_an_unknown_tier_or_one_without_a_list_has_no_price(
        self, book: PriceBook, provider: str, model: str, context: str
    ) -> None:
        """P1, metering.md 4.2: the source would silently price these as standard."""
        assert book.resolve(provider, model, "", NOW_MS) is not None
        assert book.resolve(provider, model, context, NOW_MS) is None

    def test_a_variant_of_another_attribute_does_not_count(self, small: PriceBook) -> None:
        """P1: priority in one region is not priority."""
        assert "0.5" == input_usd(small.resolve("acme", "variants", "flex", NOW_MS))
        assert small.resolve("acme", "variants", "priority", NOW_MS) is None

    def test_a_price_of_another_provider_has_no_tiers(self, book: PriceBook) -> None:
        """P1: Azure falls back to OpenAI's list, whose tiers say nothing about Azure's."""
        assert book.resolve("azure", "gpt-5", "", NOW_MS) is not None
        assert book.resolve("azure", "gpt-5", "flex", NOW_MS) is None

    @settings(max_examples=200)
    @given(st.text(max_size=20))
    def test_whatever_the_provider_writes_only_four_names_mean_standard(
        self, book: PriceBook, context: str
    ) -> None:
        """P1: unknown contexts are never standard."""
        found = book.resolve("openai", "gpt-5", context, NOW_MS)
        names = {"", "standard", "default", "auto"}
        assert (found is not None and found.context == "standard") == (context in names)


class TestDates:
    def test_a_dated_price_starts_at_midnight_utc(self, small: PriceBook) -> None:
        """P1: inclusive start, to the millisecond, in whatever order the times are asked for."""
        start = at_ms("2026-07-01T00:00:00+00:00")
        asked = [start, start - 1, start, start - 1, start + 1]
        found = [input_usd(small.resolve("acme", "dated", "", at)) for at in asked]
        assert ["3", "1", "3", "1", "3"] == found

    def test_a_price_by_time_of_day_changes_twice_a_day(self, small: PriceBook) -> None:
        """P1: an interval over midnight; the cache never carries a price past its edge."""
        day = at_ms("2026-11-20T00:00:00+00:00")
        edges = [(0, "0.5"), (6 * HOUR_MS - 1, "0.5"), (6 * HOUR_MS, "1"),
                 (22 * HOUR_MS - 1, "1"), (22 * HOUR_MS, "0.5"), (24 * HOUR_MS, "0.5"),
                 (30 * HOUR_MS, "1")]  # fmt: skip
        found = [input_usd(small.resolve("acme", "nightly", "", day + ms)) for ms, _ in edges]
        assert [usd for _, usd in edges] == found

    def test_a_tier_has_no_price_before_its_list_begins(self, small: PriceBook) -> None:
        """P1: a variant that is not yet in force does not make the call standard."""
        start = at_ms("2026-07-01T00:00:00+00:00")
        assert small.resolve("acme", "variants", "batch", start - 1) is None
        assert small.resolve("acme", "variants", "batch", start) is not None

    @settings(max_examples=100)
    @given(
        st.sampled_from(["dated", "nightly", "variants", "writes"]),
        st.sampled_from(["", "flex", "batch"]),
        st.lists(st.integers(at_ms("2026-06-29T00:00:00+00:00"), NOW_MS), max_size=20),
    )
    def test_the_cache_never_changes_an_answer(
        self, model: str, context: str, moments: list[int]
    ) -> None:
        """P1: any order of times gives what a fresh book gives."""
        warm = PriceBook([acme()], "acme 1")
        for moment in moments:
            fresh = PriceBook([acme()], "acme 1")
            assert fresh.resolve("acme", model, context, moment) == warm.resolve(
                "acme", model, context, moment
            )


class TestWhatIsKnown:
    def test_classes_inherit_where_the_source_is_silent(self, small: PriceBook) -> None:
        """P1: 5m, 30m, 12h fall to cache_write, 1h has its own rate; sound has no substitute."""
        terms = small.resolve("acme", "writes", "", NOW_MS)
        assert terms is not None
        assert {
            "input": "1", "cache_read": "1", "cache_write_5m": "3", "cache_write_30m": "3",
            "cache_write_1h": "4", "cache_write_12h": "3", "input_image": "1",
            "output": "2", "web_search": "10",
        } == {name: rate.usd for name, rate in terms.rates.items()}  # fmt: skip

    @pytest.mark.parametrize("model", ["per-request", "thinks-dearly", "no-such-model"])
    def test_a_component_that_we_cannot_count_makes_the_price_unknown(
        self, small: PriceBook, model: str
    ) -> None:
        """P1: a part of the price is not the price."""
        assert small.resolve("acme", model, "", NOW_MS) is None

    def test_a_rate_that_cannot_be_billed_exactly_has_no_substitute(self, small: PriceBook) -> None:
        """P1: 18 decimals per million cannot be kept; the class is unknown, not billed as input."""
        terms = small.resolve("acme", "repeating-decimal", "", NOW_MS)
        assert terms is not None
        assert {"input", "cache_read", "input_image", "output"} == set(terms.rates)

    @pytest.mark.parametrize("provider", ["my-openai", "OPENAI", "openai ", "anthropic-proxy", ""])
    def test_a_provider_is_never_recognised_by_resemblance(
        self, book: PriceBook, provider: str
    ) -> None:
        """P1: the source itself would price anything whose name contains openai."""
        assert book.resolve(provider, "gpt-5", "", NOW_MS) is None

    @pytest.mark.parametrize(
        ("provider", "model", "match"),
        [
            ("moonshotai", "kimi-k2.6", "exact"),
            ("openai", "gpt-4.1-2025-04-14", "exact"),
            ("openai", "GPT-4.1", "exact"),
            ("moonshotai", "kimi-k2.6-mystery", "pattern"),
            ("anthropic", "claude-opus-4-8-20991231", "pattern"),
            ("azure", "gpt-4.1", "pattern"),
        ],
    )
    def test_a_match_by_rule_says_so(
        self, book: PriceBook, provider: str, model: str, match: str
    ) -> None:
        """metering.md 4.2: the source matches by prefix; the price version tells."""
        terms = book.resolve(provider, model, "", NOW_MS)
        assert terms is not None
        assert match == terms.match

    def test_deprecated_models_are_priced_but_not_listed(self, small: PriceBook) -> None:
        """Issue 2, item 6: the models endpoint lists what can still be chosen."""
        assert small.resolve("acme", "family-one", "", NOW_MS) is not None
        assert "family" not in small.models("acme")
        assert "dated" in small.models("acme")
        assert () == small.models("nobody")

    def test_every_price_in_the_bundle_has_an_id_of_its_terms(self, book: PriceBook) -> None:
        """P1: price versions are digests; two versions with one id would be two prices for one."""
        found = [
            terms
            for provider in providers
            for model in provider.models
            if (terms := book.resolve(provider.id, model.id, "", NOW_MS)) is not None
        ]
        assert all(is_unaltered(terms) for terms in found)
        assert len(found) > 1_000
        terms = sorted(found, key=lambda price: price.id)
        assert all(one == other for one, other in pairwise(terms) if one.id == other.id)


def test_the_id_of_terms_never_changes_its_way_of_being_made() -> None:
    """P7: ledgers name these ids for ever; another digest would call every old price altered."""
    rates = {"output": Rate("10", (Tier(200_000, "15"),)), "input": Rate("0.1")}
    terms = {"provider": "acme", "model": "one", "match": "exact", "source": "s", "context": "c"}
    assert "8ad84762e89f9f1e5ece385b7f22bb3c" == version_of(**terms, rates=rates)
    for field in terms:
        assert version_of(**{**terms, field: "x"}, rates=rates) != version_of(**terms, rates=rates)
    untiered = {**rates, "output": Rate("10")}
    assert version_of(**terms, rates=untiered) != version_of(**terms, rates=rates)


class TestBounds:
    def test_model_names_of_callers_do_not_grow_the_book(self, small: PriceBook) -> None:
        """Issue 2: callers choose names, so what is remembered about them is bounded."""
        versions = {
            id(small.resolve("acme", f"family-{n}", "", NOW_MS)) for n in range(RESOLUTIONS_MAX + 9)
        }
        assert len(small._resolutions) == RESOLUTIONS_MAX
        assert 1 == len(versions)

    def test_an_endless_name_is_nobodys(self, small: PriceBook) -> None:
        """Issue 2: a name of 100,000 characters is not searched for, nor kept."""
        assert small.resolve("acme", "family-" + "x" * 100_000, "", NOW_MS) is None
        assert 0 == len(small._resolutions)

    def test_two_models_never_share_an_exact_name(self) -> None:
        """The source's own data: if a spelled-out name fell to another model, prices would swap."""
        for provider in providers:
            for model in provider.models:
                found = find_model(provider, providers, model.id)
                assert found is None or not found.own or found.info.id == model.id
                if found is not None:
                    rates_at(found, "standard", NOW_MS)
