"""How a setting names a secret that is kept elsewhere: ``scheme:place#field``. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from meterr.core.nearest import closest


class Scheme(StrEnum):
    """Where a secret is kept."""

    ENV = "env"  # env:NAME
    FILE = "file"  # file:/path
    VAULT = "vault"  # vault:mount/data/path#field
    AWS = "aws"  # aws:name-or-arn or aws:name-or-arn#field


PLAIN: Final = "plain:"
"""What stands before a secret that would otherwise be read as a reference."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z-]{0,19}):(?!//)")
_URL_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z-]{0,19})://")
_ENV: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE: Final = re.compile(r"/[^\x00-\x1f\x7f]+")
_VAULT: Final = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_. -]+)*/data(?:/[A-Za-z0-9_. -]+)+")
_AWS: Final = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,2048}")
_FIELD: Final = re.compile(r"[^\x00-\x20#\x7f]+")
_USUAL: Final = {
    Scheme.ENV: "env:NAME",
    Scheme.FILE: "file:/absolute/path",
    Scheme.VAULT: "vault:mount/data/path#field",
    Scheme.AWS: "aws:name#field or aws:name",
}
_HINTS: Final = {
    "doppler": "Doppler hands secrets over as variables: start with 'doppler run -- meterr …' and "
    "write env:NAME"
}
_WITH_FIELD: Final = frozenset({Scheme.VAULT, Scheme.AWS})


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret's place. ``str`` gives it as it was written; nothing in it is secret."""

    scheme: Scheme
    place: str
    field: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """
        Return the reference that ``text`` is, or None when it is a secret itself.

        Raises ValueError, without the text, for an unknown scheme and for a malformed place: what
        looks like a reference is never taken for a secret, or it would be sent to a provider.
        """
        scheme = _scheme_of(text)
        if scheme is None:
            return None
        place, mark, field = text.partition(":")[2], "", ""
        if scheme in _WITH_FIELD:
            place, mark, field = place.partition("#")
        if not _is_well_formed(scheme, place, field) or (mark and not field):
            raise ValueError(f"not a reference to a secret: write {_USUAL[scheme]}")
        return cls(scheme, place, field)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.place}" + (f"#{self.field}" if self.field else "")


def _scheme_of(text: str) -> Scheme | None:
    found = _SCHEME.match(text)
    if found is None:
        _refuse_url(text)
        return None
    word = found[1]
    if word in set(Scheme):
        return Scheme(word)
    if word.lower() in _HINTS:
        raise ValueError(_HINTS[word.lower()])
    near = _near(word)
    if near is not None:
        raise ValueError(f"{word}: is no kind of secret (did you mean {near}:?)")
    usual = ", ".join(_USUAL.values())
    # The word may be the beginning of a secret, so it is not repeated.
    raise ValueError(
        f"this begins like a reference of an unknown kind (there are {usual}). If it is the secret "
        f"itself, write {PLAIN} before it"
    )


def _refuse_url(text: str) -> None:
    """A database's address is a secret and a URL; ``vault://`` is neither."""
    found = _URL_SCHEME.match(text)
    near = None if found is None else _near(found[1])
    if near is not None:
        raise ValueError(f"not a reference to a secret: write {_USUAL[near]}")


def _near(word: str) -> Scheme | None:
    near = closest(word.lower(), tuple(Scheme))
    return None if near is None else Scheme(near)


def _is_well_formed(scheme: Scheme, place: str, field: str) -> bool:
    match scheme:
        case Scheme.ENV:
            return _ENV.fullmatch(place) is not None
        case Scheme.FILE:
            return _FILE.fullmatch(place) is not None
        case Scheme.VAULT:
            steps = place.split("/")
            right = _VAULT.fullmatch(place) is not None and not {".", ".."} & set(steps)
            return right and _FIELD.fullmatch(field) is not None
        case Scheme.AWS:
            return _AWS.fullmatch(place) is not None and (
                not field or _FIELD.fullmatch(field) is not None
            )
