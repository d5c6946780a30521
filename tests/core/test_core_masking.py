"""Masks: what people see of an e-mail address, a key or an IP address, however odd the input."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.masking import Masker, secret

MASKER = Masker(b"0123456789abcdef")
KEY = "sk-meterr_live_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0x"
PSEUDONYM = r"~[0-9a-f]{12}"

odd = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet=st.characters()),  # lone surrogates included
    st.binary(),
    st.integers(),
    st.floats(),
    st.lists(st.text()),
    st.sampled_from(["", " ", "@", "a@", "@b", "a@b@c", "1.2.3.4.5", "fe80::1%eth0", "sk-", "٣"]),
    st.from_regex(re.compile(r"[^@\s]+@[^@\s]+")),
    st.ip_addresses().map(str),
)


class Hostile:
    """An object that fails whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    __hash__ = None


@given(odd)
def test_every_mask_is_total_and_of_a_known_shape(value: object) -> None:
    """S1:189, S1:195: an empty, short or odd input breaks no log call and shows nothing more."""
    assert re.fullmatch(rf"-|\*{{8}}|[A-Za-z0-9]?\*\*\*{PSEUDONYM}", MASKER.email(value))
    assert re.fullmatch(
        rf"-|\*{{8}}|sk-meterr_(live|test)_….{{4}}|…(.{{4}})?{PSEUDONYM}",
        MASKER.api_key(value),
        re.DOTALL,
    )
    assert re.fullmatch(rf"-|\*{{8}}|[0-9a-f:.]*\*{PSEUDONYM}", MASKER.address(value))
    assert re.fullmatch(rf"-|\*{{8}}|user{PSEUDONYM}", MASKER.user(value))
    assert secret(value) in ("-", "*" * 8)


@pytest.mark.parametrize("value", [Hostile(), object(), 7, ["a@b.example"]])
def test_what_is_no_text_is_hidden_and_not_asked_for_its_text(value: object) -> None:
    """S1:189: `undefined` threw inside the log call; here nothing is called on a stranger."""
    masks = [MASKER.email, MASKER.api_key, MASKER.address, MASKER.user, secret]
    assert {"*" * 8} == {mask(value) for mask in masks}


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
        ("@example.com", "***"),
        ("a@b@example.com", "***"),
        ("älice@example.com", "***"),
        ("alice@localhost", "***"),
        ("a" * 2000 + "@example.com", "***"),
    ],
)
def test_an_email_shows_its_first_character_only_when_it_is_one(value: str, shown: str) -> None:
    """S1:189: `not-an-email` became `no***@undefined`."""
    assert shown == MASKER.email(value).partition("~")[0]


@pytest.mark.parametrize("value", [None, "", "  ", b""])
def test_nothing_is_shown_as_nothing(value: object) -> None:
    """S1:189: '' became `**@undefined`."""
    assert "-" == MASKER.email(value)
    assert "-" == MASKER.address(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (KEY, "sk-meterr_live_…sT0x"),
        (KEY.encode(), "sk-meterr_live_…sT0x"),
        (KEY[:-1], "…9sT0"),  # no key of ours: by length alone
        ("sk-proj-abcdefghijklmnopWXYZ", "…WXYZ"),
        ("sk-abcdefg", "…"),
        ("correct horse battery staple", "…"),
        ("ключ-ключ-ключ-ключ-ключ-ключ", "…"),
    ],
)
def test_a_key_shows_its_last_four_only_when_that_gives_nothing_away(
    value: object, shown: str
) -> None:
    """S1:195: a key of ten characters was shown whole, and all real ones began alike."""
    assert shown == MASKER.api_key(value).partition("~")[0]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("203.0.113.77", "203.0.113.*"),
        ("::ffff:203.0.113.77", "203.0.113.*"),
        ("2001:db8:7:8::9", "2001:db8:7::*"),
        ("fe80::1%eth0", "fe80::*"),
        ("203.0.113", "*"),
        ("010.0.0.1", "*"),
    ],
)
def test_an_ip_address_shows_its_network(value: str, shown: str) -> None:
    """S1:185: enough to see where from, not who."""
    assert shown == MASKER.address(value).partition("~")[0]


def test_a_pseudonym_correlates_under_one_key_and_not_under_another() -> None:
    """S1:205: lines about one person find each other, and only with our key."""
    other = Masker(b"another key of pseudonyms")
    assert MASKER.email("Alice@Example.com") == MASKER.email("alice@example.com")
    assert MASKER.email("alice@example.com") != MASKER.email("alicf@example.com")
    assert MASKER.email("alice@example.com") != other.email("alice@example.com")
    assert MASKER.address("203.0.113.77") == MASKER.address("::ffff:203.0.113.77")
    assert MASKER.user("u-1").partition("~")[2] != MASKER.email("u-1").partition("~")[2]


def test_a_short_key_of_pseudonyms_is_refused_and_none_is_shown() -> None:
    """P6: with a guessable key, pseudonyms can be tried."""
    with pytest.raises(ValueError, match="16 bytes"):
        Masker(b"short")
    assert "<Masker>" == repr(MASKER)
