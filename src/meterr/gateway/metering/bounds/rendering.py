"""
JSON values that a provider writes out anew for the model: schemas, and what tools are called with.

Templates put a blank after each separator, or a new line and its indentation, and print a number as
they like: 9e15 as 9000000000000000.0. So marks count more than their bytes, and a value that is
nested deeply, or has a large float, is none of text.
"""

from types import GenericAlias
from typing import Annotated, Any

import msgspec
from msgspec import Meta

DEPTH_MAX = 12
"""Levels of a value whose indentation is no more than two tokens a line."""
_PLAIN_FLOAT = Annotated[float, Meta(gt=-1_000, lt=1_000)]
_MARKS = b",:[]{}"
_MARK_TOKENS = 2
"""What may come beside a mark: a new line, and blanks."""
_COMMA_TOKENS = 2
"""What may come beside a comma on top: digits of the number before it, as 9e2 is 900.0."""


def _shallow(depth: int) -> Any:
    scalar: Any = str | int | _PLAIN_FLOAT | bool | None
    value = scalar
    for _ in range(depth):
        value = scalar | GenericAlias(list, value) | GenericAlias(dict, (str, value))
    return value


Shallow: Any = _shallow(DEPTH_MAX)
"""A JSON value that takes no more than its bytes and ``rendering_tokens`` when written anew."""
_SHALLOW = msgspec.json.Decoder(Shallow)


def check_arguments(text: str | None) -> None:
    """Raise ``ValueError`` if ``text`` is a JSON value that may grow when it is written anew."""
    if text:
        try:
            _SHALLOW.decode(text)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        except msgspec.DecodeError:
            return  # no JSON: nothing reads it but as text


def is_shallow(value: msgspec.Raw) -> bool:
    """Say whether ``value`` is a ``Shallow`` one."""
    try:
        _SHALLOW.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def may_hold_calls(surface: str, body: bytes) -> bool:
    """Say whether ``body`` may hold earlier calls of tools, which have JSON values in them."""
    name = b"tool_use" if surface == "anthropic.messages" else b"arguments"
    return name in body or (b"\\" in body and b"\\u" in body)


def rendering_tokens(body: bytes) -> int:
    """Return the most tokens that JSON values in ``body`` take beyond its bytes."""
    marks = len(body) - len(body.translate(None, _MARKS))
    return _MARK_TOKENS * marks + _COMMA_TOKENS * body.count(b",")
