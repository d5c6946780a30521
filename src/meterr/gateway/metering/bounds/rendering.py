"""
JSON values that a provider writes out anew for the model: schemas, and what tools are called with.

Templates put a blank after each separator, or a new line and its indentation, and print a number as
they like: 9e15 as 9000000000000000.0. So marks count more than their bytes, and a value that is
nested deeply, or has a large float, is none of text.
"""

import re
from typing import Any, Final

import msgspec

from meterr.core.http.json_body import is_deeper, without_strings

DEPTH_MAX: Final = 12
"""Levels of a value whose indentation is no more than two tokens a line."""
_FLOAT_LIMIT: Final = 1_000
_FLOAT: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MARKS: Final = b",:[]{}"
_MARK_TOKENS: Final = 2
"""What may come beside a mark: a new line, and blanks."""
_COMMA_TOKENS: Final = 2
"""What may come beside a comma on top: digits of the number before it, as 9e2 is 900.0."""


class Shallow:
    """
    A JSON value that takes no more than its bytes and ``rendering_tokens`` when written anew.

    What an object in it says twice is not seen twice: ``is_shallow`` sees that, in the text.
    """

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    """Return a decoder for a shape, or one of several, that may have ``Shallow`` values."""
    return msgspec.json.Decoder(shape, dec_hook=_checked)


def check_arguments(text: object) -> None:
    """Raise ``ValueError`` if ``text`` is a JSON value that may grow when it is written anew."""
    if isinstance(text, str) and not is_shallow(text.encode(errors="replace")) and _is_json(text):
        raise ValueError("deep, or large floats")


def is_shallow(text: bytes, depth_max: int = DEPTH_MAX) -> bool:
    """Say whether JSON text is nested no deeper, and all its floats are small; in all readings."""
    bare = without_strings(text)
    return not is_deeper(bare, depth_max) and all(map(_is_small, _FLOAT.findall(bare)))


def may_hold_calls(surface: str, body: bytes) -> bool:
    """Say whether ``body`` may hold earlier calls of tools, which have JSON values in them."""
    name = b"tool_use" if surface == "anthropic.messages" else b"arguments"
    return name in body or (b"\\" in body and b"\\u" in body)


def rendering_tokens(body: bytes) -> int:
    """Return the most tokens that JSON values in ``body`` take beyond its bytes."""
    marks = len(body) - len(body.translate(None, _MARKS))
    return _MARK_TOKENS * marks + _COMMA_TOKENS * body.count(b",")


def _checked(_: type, value: Any) -> Shallow:
    if not _is_shallow(value, DEPTH_MAX):
        raise ValueError("deep, or large floats")
    return Shallow(value)


def _is_shallow(value: Any, depth_max: int) -> bool:
    if isinstance(value, float):
        return -_FLOAT_LIMIT < value < _FLOAT_LIMIT
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth_max > 0 and all(_is_shallow(each, depth_max - 1) for each in inner)


def _is_small(number: bytes) -> bool:
    return number.lstrip(b"-").isdigit() or -_FLOAT_LIMIT < float(number) < _FLOAT_LIMIT


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False  # nothing reads it but as text
    return True
