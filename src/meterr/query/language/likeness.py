"""
How alike two short texts are, by the groups of three letters that they share. Pure.

A question costs about a microsecond for each letter of what it is compared with: 500 saved
questions of 60 letters take some 10 ms. That is the bound on how many are kept.
"""

import heapq
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

_TEXT_CHARS_MAX = 1000
_WORD = re.compile(r"[^\W_]+")
_Thing = TypeVar("_Thing")


def likeness(one: str, other: str) -> float:
    """Return 0 for nothing in common to 1 for the same words in any order and case."""
    return _shared(trigrams(one), trigrams(other))


def most_alike(
    text: str,
    things: Iterable[_Thing],
    text_of: Callable[[_Thing], str],
    *,
    count: int,
    floor: float,
) -> list[_Thing]:
    """Return at most ``count`` things at least ``floor`` like ``text``, most alike first."""
    wanted = trigrams(text)
    scored = (
        (_shared(wanted, trigrams(text_of(thing))), at, thing) for at, thing in enumerate(things)
    )
    best = heapq.nlargest(count, scored, key=lambda each: (each[0], -each[1]))
    return [thing for score, _, thing in best if score >= floor]


def trigrams(text: str) -> frozenset[str]:
    """Return the groups of three letters in the words of ``text``; only its first 1,000 letters."""
    folded = unicodedata.normalize("NFKC", text[:_TEXT_CHARS_MAX]).casefold()
    padded = "  ".join(["", *_WORD.findall(folded), ""])
    return frozenset(map("".join, zip(padded, padded[1:], padded[2:], strict=False)))


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0
