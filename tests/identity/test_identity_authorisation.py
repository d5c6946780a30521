"""What a verified key may do, and what may be asked for when one is made."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.core.principal import Principal, UnknownPrice
from meterr.identity.authorisation import allows_model, matches
from meterr.identity.terms import (
    checked_expiry,
    checked_models,
    checked_name,
    checked_scopes,
    is_uuid,
)


def caller(models: tuple[str, ...] | None = None) -> Principal:
    return Principal("t", "k", frozenset(), models, UnknownPrice.REFUSE)


class TestModels:
    @pytest.mark.parametrize(
        ("pattern", "model", "expected"),
        [
            ("gpt-4o", "gpt-4o", True),
            ("gpt-4o", "gpt-4o-mini", False),
            ("gpt-4o", "GPT-4O", False),
            ("gpt-4o*", "gpt-4o-mini", True),
            ("gpt-4o*", "gpt-4o", True),
            ("*", "", True),
            ("*-mini", "gpt-4o-mini", True),
            ("*-mini", "gpt-4o-mini-2024", False),
            ("claude-*-4?", "claude-sonnet-45", True),
            ("claude-*-4?", "claude-sonnet-4", False),
            ("claude-[a-z]*", "claude-x", False),
            ("claude-[a-z]*", "claude-[a-z]x", True),
            ("a.c", "abc", False),
            ("", "", True),
            ("", "a", False),
            ("ab*", "xab", False),
            ("*a*b*", "xxaxxbxx", True),
        ],
    )
    def test_a_pattern_means_what_it_looks_like(
        self, pattern: str, model: str, *, expected: bool
    ) -> None:
        """`*` and `?` are special, nothing else is, and case counts."""
        assert expected is matches(pattern, model)

    @given(st.text("ab*?.[", max_size=8), st.text("ab.[", max_size=10))
    def test_agrees_with_a_slow_oracle(self, pattern: str, model: str) -> None:
        """The same answer as a regular expression built from the same pattern."""
        oracle = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        assert bool(re.fullmatch(oracle, model)) is matches(pattern, model)

    def test_no_pattern_explodes(self) -> None:
        """A hostile allow-list costs length times length; backtracking would outlive the sun."""
        assert not matches("*a" * 60 + "b", "a" * 10_000)

    def test_without_a_list_every_model_is_allowed_and_with_one_only_what_it_names(self) -> None:
        """None and an empty list are opposites."""
        assert allows_model(caller(), "anything")
        assert not allows_model(caller(models=()), "anything")
        assert allows_model(caller(models=("kimi-*", "gpt-4o")), "gpt-4o")
        assert not allows_model(caller(models=("kimi-*", "gpt-4o")), "gpt-5")


class TestTermsOfANewKey:
    def test_an_unknown_scope_is_told_the_nearest(self) -> None:
        """The error says the way out."""
        with pytest.raises(Invalid, match="Did you mean 'embeddings'"):
            checked_scopes(["embedings"])
        with pytest.raises(Invalid, match="chat, embeddings, models"):
            checked_scopes(["zzz"])

    def test_a_key_without_any_scope_is_refused(self) -> None:
        """It could do nothing; somebody forgot something."""
        with pytest.raises(Invalid, match="at least one"):
            checked_scopes([])

    @pytest.mark.parametrize(
        "name", ["", "  ", "x" * 101, "a\x00b", "a\nb", "\x1b[31m", "\u202egnp"]
    )
    def test_odd_names_are_refused(self, name: str) -> None:
        """A name is printed on terminals and pages."""
        with pytest.raises(Invalid) as refused:
            checked_name(name)
        assert "name" == refused.value.param

    def test_names_are_trimmed(self) -> None:
        """Or two of them would look the same."""
        assert "ci" == checked_name("  ci ")

    @pytest.mark.parametrize(
        "models", [[], [""], ["a b"], ["[ab]*"], ["x" * 129], ["m"] * 0, ["a\x00"]]
    )
    def test_odd_patterns_are_refused(self, models: list[str]) -> None:
        """A bracket would be taken for a character class, and an empty list would allow nothing."""
        with pytest.raises(Invalid) as refused:
            checked_models(models)
        assert "models" == refused.value.param

    def test_an_expiry_lies_ahead(self) -> None:
        """A key that is born expired is a mistake."""
        assert checked_expiry(None, 1000) is None
        assert 1001 == checked_expiry(1001, 1000)
        for wrong in (1000, 0, -1, 10**18):
            with pytest.raises(Invalid, match="future"):
                checked_expiry(wrong, 1000)

    def test_only_canonical_uuids_are_ids(self) -> None:
        """PostgreSQL would take braces and bare hex too."""
        assert is_uuid("0199d3a0-0000-7000-8000-000000000000")
        for text in (
            "",
            "x",
            "{0199d3a0-0000-7000-8000-000000000000}",
            "0199d3a0000070008000000000000000",
        ):
            assert not is_uuid(text)
