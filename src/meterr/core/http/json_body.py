"""Bodies of our own API: JSON within limits that SDKs' bodies, with their images, do not have."""

import re
from typing import Final

from meterr.core.errors import Invalid
from meterr.core.http.asgi import Receive, Scope
from meterr.core.http.body import read_body

API_BODY_BYTES_MAX: Final = 1024 * 1024
"""Largest body of a request to our own API; its longest lists have some thousand short entries."""

OPEN_BODY_BYTES_MAX: Final = 64 * 1024
"""Largest body from somebody who is not signed in; a passkey's has some thousand bytes."""

API_JSON_MARKS_MAX: Final = 20_000
"""
Most ``[``, ``{`` and ``,``, in texts too: parsing costs by what a document holds, not by its bytes.

A report of 1,000 leaked keys, the most there may be in one, has some 5,000.
"""

API_JSON_DEPTH_MAX: Final = 32
"""Most arrays and objects inside each other; our own documents have four."""

# A string that does not end reaches to the end: were it no match, each quote would be tried anew.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_MARKS: Final = (b"[", b"{", b",")
_NO_BRACKET: Final = re.compile(rb"[^\[\]{}]+")


async def read_json_body(
    scope: Scope, receive: Receive, *, timeout_s: float, bytes_max: int = API_BODY_BYTES_MAX
) -> bytes:
    """
    Return the whole body of a request to our own API; it is not parsed here.

    Raises:
        BodyTooLarge: it is longer than ``bytes_max``.
        BodyTooSlow: it was not complete ``timeout_s`` seconds after the headers.
        ClientGone: the connection closed first.
        Invalid: it has more than ``API_JSON_MARKS_MAX`` marks, or is nested deeper than
            ``API_JSON_DEPTH_MAX``.
    """
    body = await read_body(scope, receive, bytes_max=bytes_max, timeout_s=timeout_s)
    if sum(map(body.count, _MARKS)) > API_JSON_MARKS_MAX:
        raise Invalid(
            f"The request body has more than {API_JSON_MARKS_MAX} brackets, braces and commas. "
            "Send less at once."
        )
    if is_deeper(body, API_JSON_DEPTH_MAX):
        raise Invalid(f"The request body is nested more than {API_JSON_DEPTH_MAX} levels deep.")
    return body


def without_strings(text: bytes) -> bytes:
    """Return JSON text without its strings: brackets and numbers that are left are none of text."""
    return _STRING.sub(b"", text)


def is_deeper(body: bytes, depth_max: int) -> bool:
    """Say whether JSON text opens more than ``depth_max`` arrays and objects inside each other."""
    brackets = _NO_BRACKET.sub(b"", without_strings(body))
    depth = 0
    for bracket in brackets:
        if bracket in b"[{":
            depth += 1
            if depth > depth_max:
                return True
        else:
            depth -= 1
    return False
