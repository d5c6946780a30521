"""Bodies of our API: JSON that has one reading, or none. Pure."""

import json
from typing import Final, NoReturn

from meterr.core.errors import Invalid

_DIGITS_MAX: Final = 30
"""Longest number as text; what we count has at most 18 digits, and money is a text."""


def refuse_ambiguous(body: bytes) -> None:
    """
    Raise Invalid unless ``body`` is JSON that every reader understands alike.

    Refused, beside what is no JSON: a name twice in one object, NaN and infinities, numbers of more
    than 30 characters, and text that no database can hold (NUL, half of a surrogate pair).
    """
    try:
        text = body.decode("utf-8")
        json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_int=_number,
            parse_float=_number,
        )
    except _Ambiguous as error:
        raise Invalid(str(error)) from None
    except (ValueError, RecursionError):
        raise Invalid("The request body is no valid JSON in UTF-8.") from None
    if "\\u" in text:
        _refuse_unstorable(json.loads(text))


class _Ambiguous(Exception):
    """The text is read in two ways, or in none."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous("The request body has an object with the same name twice.")
    return found


def _no_number(name: str) -> NoReturn:
    raise _Ambiguous("The request body has NaN or Infinity, which are no JSON.")


def _number(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise _Ambiguous(f"The request body has a number of more than {_DIGITS_MAX} characters.")
    return 0


def _refuse_unstorable(value: object) -> None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Invalid("The request body has a character that cannot be stored.")
    elif isinstance(value, list):
        for each in value:
            _refuse_unstorable(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            _refuse_unstorable(name)
            _refuse_unstorable(each)
