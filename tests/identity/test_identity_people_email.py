"""E-mail addresses: two spellings of one mailbox are one account."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.identity.people import read_email
from meterr.identity.people.email import EMAIL_CHARS_MAX, own_words

letters = st.characters(categories=("Ll", "Lu", "Nd", "Lo", "Mn"))
locals_ = st.text(letters | st.sampled_from(".+-_"), min_size=1, max_size=30)
domains = st.sampled_from(
    [
        "example.com",
        "EXAMPLE.com",
        "bücher.example",
        "BÜCHER.example",
        "build.internal",
        "localhost",
    ]
)


@given(locals_, domains)
def test_canonical_is_a_fixed_point_and_case_does_not_count(local: str, domain: str) -> None:
    """Law: canonical(canonical(x)) = canonical(shown(x)) = canonical(x), whatever the case."""
    try:
        found = read_email(f"{local}@{domain}")
    except Invalid:
        assume(False)
        raise
    assert found.canonical == read_email(found.canonical).canonical
    assert found.canonical == read_email(found.shown).canonical
    assert found.canonical == read_email(found.canonical.swapcase()).canonical or not (
        found.canonical.isascii()
    )
    assert len(found.canonical) <= EMAIL_CHARS_MAX


@given(st.text(max_size=300))
def test_whatever_is_typed_is_an_address_or_refused_by_name(text: str) -> None:
    """Total: no other error, no control character, exactly one @."""
    try:
        found = read_email(text)
    except Invalid:
        return
    assert 1 == found.canonical.count("@")
    assert not any(letter.isspace() or ord(letter) < 32 for letter in found.canonical)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("josé@example.com", "jose\u0301@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("STRASSE@example.com", "straße@example.com"),
    ],
)
def test_two_spellings_of_one_mailbox_are_one_account(left: str, right: str) -> None:
    """A second account for the same person would be a second password for the same mailbox."""
    assert read_email(left).canonical == read_email(right).canonical


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("ada@example.com", "ada@example.org"),
        ("a.da@example.com", "ada@example.com"),
        ("ada+x@example.com", "ada@example.com"),
        ("аda@example.com", "ada@example.com"),
    ],
)
def test_different_mailboxes_are_different_accounts(left: str, right: str) -> None:
    """Dots, tags and letters that look alike count: what they mean is the mail server's affair."""
    assert read_email(left).canonical != read_email(right).canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "a b@example.com",
        "a@b@c.example",
        "ada@exam\nple.com",
        "ada@example.com\0",
        "Ada <ada@example.com>",
        '"a b"@example.com',
        "ada@[127.0.0.1]",
        "a" * 300 + "@example.com",
        "ada@-x.example",
        "\u202eada@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Negative space."""
    with pytest.raises(Invalid):
        read_email(text)


def test_the_words_of_an_address_are_its_owners_own() -> None:
    """For the block list of passwords."""
    words = own_words("ada.lovelace@mail.example.com")
    assert {"ada", "lovelace", "mail", "example", "ada.lovelace"} <= set(words)
