"""Finding what a name means: as it is written, in another case, or by a synonym. Pure."""

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

_Named = TypeVar("_Named")
_SHOWN_MAX = 12


def by_name(
    said: str, things: Iterable[_Named], names_of: Callable[[_Named], tuple[str, tuple[str, ...]]]
) -> _Named | None:
    """Return the thing called ``said``; a name wins over synonyms, and two synonyms are none."""
    wanted = _folded(said)
    alike: list[_Named] = []
    for thing in things:
        name, synonyms = names_of(thing)
        if said == name or wanted == _folded(name):
            return thing
        if wanted in map(_folded, synonyms):
            alike.append(thing)
    return alike[0] if len(alike) == 1 else None


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def nearest(said: str, names: list[str]) -> str:
    """Return a sentence with the names that may have been meant, or with what there is."""
    close = difflib.get_close_matches(said[:64], names, n=3, cutoff=0.6)
    return f"There is {', '.join(close or names[:_SHOWN_MAX]) or 'nothing'}."
