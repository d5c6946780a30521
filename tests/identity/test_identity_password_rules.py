"""What a password must be: long, all of it counting, and not what everybody tries first."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from meterr.core.errors import Invalid
from meterr.identity.passwords.rules import (
    BYTES_MAX,
    CHARS_MIN_ALONE,
    CHARS_MIN_WITH_FACTOR,
    checked_password,
    is_short,
    normalised,
)
from meterr.identity.people.email import own_words

ADA = own_words("ada.lovelace@example.com")
GOOD = "walnut orbit ceramic lantern"


def accepts(text: str, *, with_factor: bool = False) -> bool:
    try:
        checked_password(SecretStr(text), with_factor=with_factor, own_words=ADA)
    except Invalid:
        return False
    return True


def test_a_refusal_names_the_field_and_not_the_password() -> None:
    """P6: what was typed is in no error."""
    for text in ("Tr0ub4dor&3", "qwertyuiopasdfghjkl", "x" * 5000):
        with pytest.raises(Invalid) as refused:
            checked_password(SecretStr(text), with_factor=False, own_words=ADA)
        assert "password" == refused.value.param
        assert text not in f"{refused.value.detail} {refused.value.private} {refused.value!r}"


@given(st.text(max_size=CHARS_MIN_ALONE - 1), st.booleans())
def test_a_short_password_is_refused(text: str, with_factor: bool) -> None:
    """NIST 800-63B-4: 15 characters alone, 8 behind a factor, counted as they are hashed."""
    length = len(unicodedata.normalize("NFKC", text))
    if length < CHARS_MIN_WITH_FACTOR or (not with_factor and length < CHARS_MIN_ALONE):
        assert not accepts(text, with_factor=with_factor)


@given(st.text(min_size=15, max_size=300), st.booleans())
def test_what_is_accepted_is_long_enough_and_whole(text: str, with_factor: bool) -> None:
    """ASVS 6.2.8: nothing is cut, trimmed or changed but for NFKC."""
    assume(accepts(text, with_factor=with_factor))
    encoded = checked_password(SecretStr(text), with_factor=with_factor, own_words=ADA)
    assert unicodedata.normalize("NFKC", text).encode() == encoded
    assert len(encoded.decode()) >= (8 if with_factor else 15)
    assert len(encoded) <= BYTES_MAX


@given(st.text(min_size=8, max_size=40))
def test_a_factor_beside_it_never_asks_for_more(text: str) -> None:
    """Monotone: what may stand alone may stand behind a factor."""
    assert accepts(text, with_factor=True) or not accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "walnutorbitceramiclantern",  # lower case only: no composition rules
        "1907 4426 8853 0271 9",  # digits only
        "ключ от старого сарая за рекой",
        "古い倉庫の鍵は川の向こうにありますよ",
        "🦊🐙🪁🧭🥨🎻🪐🌵🧊🎲🦩🛶🪗🧶🪴",
        "  spaces at both ends count  ",
        "kx8#Lq" * 11,
        GOOD + " " + "x" * 36,  # 64 and more are accepted
        "ab " * 341,
    ],
)
def test_any_long_password_that_is_not_common_is_accepted(text: str) -> None:
    """No composition rules, any script, at least 64 characters."""
    assert accepts(text) or len(set(text)) < 8


@pytest.mark.parametrize(
    "text",
    [
        "passwordpassword",
        "password12345678",
        "aaaaaaaaaaaaaaaaaaaa",
        "qwertyuiopasdfghjkl",
        "letmeinletmeinplease",
        "summer2026summer2026",
        "abcdefghijklmnopqrstuvwxyz",
        "ada.lovelace@example.com",
        "Ada Lovelace Example",
        "adalovelaceadalovelace",
        "meterr meterr meterr",
        "lovelace-lovelace-1",
    ],
)
def test_what_is_tried_first_is_refused_however_long(text: str) -> None:
    """The block list of 800-63B-4: common passwords, the account's own words, the product's."""
    assert len(text) >= CHARS_MIN_ALONE
    assert not accepts(text)


@pytest.mark.parametrize("text", ["12345678", "password", "iloveyou", "lovelace", "meterr2026"])
def test_a_factor_excuses_no_common_password(text: str) -> None:
    """8 characters are enough behind a factor, but not these."""
    assert not accepts(text, with_factor=True)


@pytest.mark.parametrize("text", ["kxqzvbnw", "Tr0ub4dor&3", "ünïcödé!"])
def test_eight_characters_do_behind_a_factor(text: str) -> None:
    """800-63B-4: 8 with MFA; such a password is known to be short."""
    encoded = checked_password(SecretStr(text), with_factor=True, own_words=ADA)
    assert is_short(encoded)
    assert not is_short(checked_password(SecretStr(GOOD), with_factor=True, own_words=ADA))


def test_one_keyboards_way_to_write_a_letter_is_the_others() -> None:
    """NFKC: composed, decomposed and wide forms are one password."""
    forms = [
        "café crème brûlée no 3",
        unicodedata.normalize("NFD", "café crème brûlée no 3"),
        "café crème brûlée no ３",
    ]
    assert 1 == len({normalised(SecretStr(form)) for form in forms})


def test_a_password_is_never_cut() -> None:
    """S2:76: bcrypt ignores all after 72 bytes. Here 1,024 bytes count, and more are refused."""
    longest = SecretStr("x" * BYTES_MAX)
    assert b"x" * BYTES_MAX == normalised(longest)
    for too_long in ("x" * (BYTES_MAX + 1), "é" * 513, "\ufdfa" * 400):  # one letter becomes 18
        assert normalised(SecretStr(too_long)) is None
    assert normalised(SecretStr("")) is None
    assert normalised(SecretStr("\ud800 lone surrogate")) is None
