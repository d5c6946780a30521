"""Masks: what a log shows of an e-mail address or a key, however odd the text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.masking import Masker, api_key

MASKER = Masker(b"0123456789abcdef")
KEY = "sk-meterr_live_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0x"
PSEUDONYM = r"~[0-9a-f]{12}"

odd = st.one_of(
    st.text(),
    st.text(alphabet=st.characters()),  # lone surrogates included
    st.sampled_from(["", " ", "@", "a@", "@b", "a@b@c", "sk-", "\u0663", KEY + KEY]),
    st.from_regex(re.compile(r"[^@\s]+@[^@\s]+")),
)


@given(odd)
def test_every_mask_is_total_and_of_a_known_shape(text: str) -> None:
    """S1:189, S1:195: an empty, short or odd input breaks no log call and shows nothing more."""
    assert re.fullmatch(rf"[A-Za-z0-9]?\*\*\*{PSEUDONYM}", MASKER.email(text))
    assert re.fullmatch(r"[A-Za-z0-9]?\*\*\*", Masker().email(text))
    assert re.fullmatch(r"\[redacted\]|sk-meterr_(live|test)_….{4}", api_key(text))


@given(st.text(min_size=1, alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_a_mask_of_an_address_shows_one_character_of_it_at_most(text: str) -> None:
    """S1:189: the domain was always shown, and up to two characters of a local part of three."""
    shown, _, _ = MASKER.email(text).partition("***")
    assert len(shown) <= 1
    assert text.lower().startswith(shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("alice@example.com", "a***"),
        (" alice@example.com\n", "a***"),
        ("not-an-email", "***"),
        ("al@example.com", "***"),
        ("alice@", "***"),
        ("", "***"),
        ("@example.com", "***"),
        ("a@b@example.com", "***"),
        ("älice@example.com", "***"),
        ("alice@localhost", "***"),
        ("a" * 2000 + "@example.com", "***"),
    ],
)
def test_an_email_shows_its_first_character_only_when_it_is_one(value: str, shown: str) -> None:
    """S1:189: `not-an-email` became `no***@undefined`, and an empty text `**@undefined`."""
    assert shown == MASKER.email(value).partition("~")[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (KEY, "sk-meterr_live_…sT0x"),
        (KEY[:-1], "[redacted]"),
        (KEY + "x", "[redacted]"),
        ("sk-proj-abcdefghijklmnopWXYZ", "[redacted]"),
        ("sk-abcdefg", "[redacted]"),
        ("", "[redacted]"),
    ],
)
def test_a_key_shows_its_last_four_only_when_it_is_whole_and_ours(value: str, shown: str) -> None:
    """S1:195: a key of ten characters was shown whole, and all real ones began alike."""
    assert shown == api_key(value)


def test_a_pseudonym_correlates_under_one_key_and_not_under_another() -> None:
    """S1:205: lines about one person find each other, and only with our key."""
    other = Masker(b"another key of pseudonyms")
    assert MASKER.email("Alice@Example.com") == MASKER.email("alice@example.com")
    assert MASKER.email("alice@example.com") != MASKER.email("alicf@example.com")
    assert MASKER.email("alice@example.com") != other.email("alice@example.com")


def test_a_short_key_of_pseudonyms_is_refused_and_none_is_shown() -> None:
    """P6: with a guessable key, pseudonyms can be tried."""
    with pytest.raises(ValueError, match="16 bytes"):
        Masker(b"short")
    assert "<Masker>" == repr(MASKER)
