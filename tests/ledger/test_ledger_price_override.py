"""Overrides: the operator's own terms, dated, with an author and a reason."""

import pytest
from price_samples import NOW_MS, acme

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.core.ids import IdFactory
from meterr.ledger import NewOverride, PriceBook, list_price_overrides, set_price_override
from meterr.ledger.model import Rate, Tier
from meterr.ledger.price_override import PriceOverride, checked

DAY_MS = 86_400_000


def override(made: int, usd: str, **changes: object) -> PriceOverride:
    fields: dict[str, object] = {
        "override_id": f"0199aaaa-0000-7000-8000-{made:012d}",
        "provider": "acme",
        "model": "dated",
        "context": "standard",
        "effective_from_ms": NOW_MS,
        "effective_to_ms": NOW_MS + DAY_MS,
        "rates": {"input": Rate(usd), "output": Rate(usd)},
        "author": "ada",
        "reason": "contract",
        "created_at_ms": made,
    }
    return PriceOverride(**{**fields, **changes})


def wish(**changes: object) -> NewOverride:
    fields: dict[str, object] = {
        "provider": "vllm",
        "model": "Qwen/Qwen3-8B",
        "rates": {"input": "0.10", "output": "0"},
        "author": "ada",
        "reason": "our own machines",
        "effective_from_ms": NOW_MS,
    }
    return NewOverride(**{**fields, **changes})


def usd_at(book: PriceBook, at: int, model: str = "dated", context: str = "") -> str | None:
    terms = book.resolve("acme", model, context, at)
    return None if terms is None else terms.rates["input"].usd


class TestWhoWins:
    def test_an_override_holds_from_its_start_until_just_before_its_end(self) -> None:
        """Issue 2, item 8: effective_from is inclusive, effective_to exclusive."""
        book = PriceBook([acme()], "acme 1", [override(1, "7")])
        moments = [NOW_MS, NOW_MS - 1, NOW_MS + DAY_MS - 1, NOW_MS + DAY_MS, NOW_MS]
        assert ["7", "3", "7", "3", "7"] == [usd_at(book, at) for at in moments]

    def test_the_newest_made_wins_in_whatever_order_they_are_read(self) -> None:
        """Issue 2, item 8: a correction is a newer override; of one instant, the last id."""
        rows = [override(1, "7"), override(3, "9"), override(2, "8")]
        assert "9" == usd_at(PriceBook([acme()], "acme 1", rows), NOW_MS)
        assert "9" == usd_at(PriceBook([acme()], "acme 1", rows[::-1]), NOW_MS)
        tie = [override(5, "5", created_at_ms=1), override(4, "4", created_at_ms=1)]
        assert "5" == usd_at(PriceBook([acme()], "acme 1", tie), NOW_MS)

    def test_an_ended_correction_gives_the_older_terms_back(self) -> None:
        """Issue 2, item 8: windows nest."""
        rows = [
            override(1, "7", effective_to_ms=None),
            override(2, "8", effective_from_ms=NOW_MS + 10, effective_to_ms=NOW_MS + 20),
        ]
        book = PriceBook([acme()], "acme 1", rows)
        assert ["7", "8", "7"] == [usd_at(book, NOW_MS + ms) for ms in (9, 10, 20)]

    def test_an_override_touches_its_own_context_model_and_provider_only(self) -> None:
        """P1: our price for standard says nothing about flex, or about another model."""
        book = PriceBook([acme()], "acme 1", [override(1, "7", model="variants")])
        assert "7" == usd_at(book, NOW_MS, "variants")
        assert "7" == usd_at(book, NOW_MS, "VARIANTS")
        assert "0.5" == usd_at(book, NOW_MS, "variants", "flex")
        assert "3" == usd_at(book, NOW_MS, "dated")
        assert book.resolve("other", "variants", "", NOW_MS) is None

    def test_terms_of_a_model_hold_for_all_its_names_and_terms_of_a_name_for_that_name(
        self,
    ) -> None:
        """P1: a provider answers with a dated name; the contract for the model still counts."""
        whole = override(1, "7", provider="openai", model="gpt-4.1")
        dated = override(2, "8", provider="openai", model="gpt-4.1-2025-04-14")
        book = PriceBook.bundled([whole])

        def usd(name: str) -> str:
            terms = book.resolve("openai", name, "default", NOW_MS)
            assert terms is not None
            return terms.rates["input"].usd

        assert ["7", "7"] == [usd("gpt-4.1"), usd("gpt-4.1-2025-04-14")]
        assert "0.4" == usd("gpt-4.1-mini")
        book.reload([whole, dated])
        assert ["7", "8"] == [usd("gpt-4.1"), usd("gpt-4.1-2025-04-14")]

    def test_an_override_says_who_it_is(self) -> None:
        """P7: the price version names the override, so an entry leads to author and reason."""
        terms = PriceBook([acme()], "acme 1", [override(1, "7")]).resolve(
            "acme", "dated", "", NOW_MS
        )
        assert terms is not None
        assert "override" == terms.match
        assert "override 0199aaaa-0000-7000-8000-000000000001" == terms.source
        assert "web_search" not in terms.rates
        assert "7" == terms.rates["cache_write_1h"].usd

    def test_reloading_forgets_what_was_resolved(self) -> None:
        """Issue 2, item 8: a new override counts from the next call on."""
        book = PriceBook([acme()], "acme 1")
        assert "3" == usd_at(book, NOW_MS)
        book.reload([override(1, "7")])
        assert "7" == usd_at(book, NOW_MS)
        assert "3" == usd_at(book.with_overrides([]), NOW_MS)
        assert "7" == usd_at(book, NOW_MS)


@pytest.mark.parametrize(
    ("changes", "param", "says"),
    [
        ({"rates": {"input": "1"}}, "rates.output", "output has no rate"),
        ({"rates": {"output": "1"}}, "rates.input", "input has no rate"),
        ({"rates": {"input": "1", "output": "1", "cached": "1"}}, "rates.cached", "'cache_read'"),
        ({"rates": {"input": "-1", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "NaN", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "1e3", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "1_0", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "١", "output": "1"}}, "rates.input", "plain decimal"),
        ({"rates": {"input": "0.0000000000001", "output": "1"}}, "rates.input", "12 decimals"),
        ({"rates": {"input": "1000000.1", "output": "1"}}, "rates.input", "1,000,000"),
        (
            {"rates": {"input": Rate("1", (Tier(9, "1"), Tier(9, "2"))), "output": "1"}},
            "rates.input",
            "rise",
        ),
        ({"context": "flexx"}, "context", "'flex'"),
        ({"effective_to_ms": NOW_MS}, "effective_to", "later than"),
        ({"effective_from_ms": -1}, "effective_from", "between 1970 and 3000"),
        ({"effective_to_ms": 1 << 60}, "effective_to", "between 1970 and 3000"),
        ({"author": " "}, "author", "printable"),
        ({"reason": "a\nb"}, "reason", "printable"),
        ({"model": "m" * 257}, "model", "1 to 256"),
    ],
)
def test_terms_that_cannot_be_billed_are_refused_by_field(
    changes: dict[str, object], param: str, says: str
) -> None:
    """Issue 2, bad input: unknown names are refused with the nearest one, amounts by example."""
    with pytest.raises(Invalid, match=says) as refused:
        checked(wish(**changes))
    assert param == refused.value.param


async def test_an_override_survives_the_database_word_for_word(database_url: str) -> None:
    """Issue 2, item 8: dates, author and reason are kept; the terms come back exactly."""
    tiered = Rate("0.10", (Tier(200_000, "0.200"),))
    async with Database.open(database_url, Role.APP) as db:
        made = await set_price_override(
            db,
            IdFactory(SystemClock()),
            wish(rates={"input": tiered, "output": "0"}, effective_to_ms=NOW_MS + 1),
        )
        later = await set_price_override(db, IdFactory(SystemClock()), wish())
        assert [made, later] == await list_price_overrides(db)
    assert {"input": Rate("0.1", (Tier(200_000, "0.2"),)), "output": Rate("0")} == made.rates
    assert "qwen/qwen3-8b" == made.model
    terms = PriceBook.bundled([made, later]).resolve("vllm", "Qwen/Qwen3-8B", "", NOW_MS)
    assert terms is not None
    assert f"override {later.override_id}" == terms.source
