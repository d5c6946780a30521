"""Request targets: what is matched, and what is refused before anything could match it. Pure."""

import re
from typing import ClassVar, Final
from urllib.parse import unquote_to_bytes

from meterr.core.errors import MeterrError

QUERY_BYTES_MAX: Final = 8 * 1024
"""Longest query string of a request, in bytes; what SDKs send has less than 200."""

_PLAIN: Final = re.compile(rb"[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*")
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\%;]")
_DOTS: Final = frozenset({"", ".", ".."})


class QueryTooLong(MeterrError):
    """The query string is longer than any route needs."""

    code: ClassVar[str] = "query-too-long"
    status: ClassVar[int] = 414
    title: ClassVar[str] = "Query too long"


def is_path(target: bytes) -> bool:
    """
    Say whether a request target is a path and perhaps a query (RFC 9112, 3.2.1: origin-form).

    The other forms name a host of their own beside the Host header; no client of an API sends them.
    """
    return target.startswith(b"/") and b"#" not in target


def check_query(query: bytes) -> None:
    """Raise QueryTooLong for more than ``QUERY_BYTES_MAX`` bytes."""
    if len(query) > QUERY_BYTES_MAX:
        raise QueryTooLong(f"The query string is longer than {QUERY_BYTES_MAX} bytes.")


def is_parameter(tail: bytes, *, any_text: bool) -> bool:
    """
    Say whether ``tail``, the raw path below a prefix, has one reading only.

    Segments that are empty or dots never pass, nor does anything percent-encoded, unless the
    parameter may be ``any_text``; even then it holds no control character, backslash, semicolon
    or second encoding.
    """
    if not any_text:
        return _PLAIN.fullmatch(tail) is not None and _DOTS.isdisjoint(
            tail.decode("ascii").split("/")
        )
    try:
        text = unquote_to_bytes(tail).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _NEVER.search(text) is None and _DOTS.isdisjoint(text.split("/"))
