"""E-mail addresses: one spelling for the eye, one for comparing. Pure; asks no name server."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

from meterr.core.errors import Invalid

EMAIL_CHARS_MAX: Final = 254


@dataclass(frozen=True, slots=True)
class Email:
    """An address. ``canonical`` is what accounts are found and told apart by."""

    canonical: str
    shown: str


def read_email(text: str) -> Email:
    """
    Return the address in ``text``; Invalid when it is none.

    Two spellings that mail systems treat as one mailbox in practice are one account: case does not
    count, nor does the way an accent or an international domain is written. Dots and ``+tags``
    count: what they mean is each provider's own affair. Addresses inside an intranet
    (``root@build.internal``) are accepted.
    """
    try:
        read = validate_email(
            text.strip()[: EMAIL_CHARS_MAX + 1],
            check_deliverability=False,
            globally_deliverable=False,
        )
        local = _folded(read.local_part)
        canonical = f"{local}@{read.ascii_domain.lower()}"
        # What folding made of it must be an address too, and fold to itself.
        again = validate_email(canonical, check_deliverability=False, globally_deliverable=False)
    except (EmailNotValidError, UnicodeError):
        raise Invalid("email is no e-mail address, e.g. ada@example.com.", param="email") from None
    if len(canonical) > EMAIL_CHARS_MAX or _folded(again.local_part) != local:
        raise Invalid("email is no address that can be told from others.", param="email")
    return Email(canonical=canonical, shown=read.normalized)


def own_words(email: str) -> tuple[str, ...]:
    """Return the words of an address that its owner must not use as a password."""
    local, _, domain = email.partition("@")
    parts = [word for text in (local, domain) for word in _split(text)]
    return tuple(dict.fromkeys([email, local, domain, *parts]))


def _folded(local: str) -> str:
    """Fold case until nothing changes: one pass can leave letters that fold once more."""
    while True:
        folded = unicodedata.normalize("NFC", local.casefold())
        if folded == local:
            return folded
        local = folded


def _split(text: str) -> list[str]:
    words = "".join(letter if letter.isalnum() else " " for letter in text).split()
    return [word for word in words if len(word) > 2]
