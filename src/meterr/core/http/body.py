"""Read a request body within its limits of size and time."""

import asyncio
from typing import ClassVar

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import WHOLE_BODY, Receive, Scope


class BodyTooLarge(MeterrError):
    """The body is longer than this route accepts."""

    code: ClassVar[str] = "request-too-large"
    status: ClassVar[int] = 413
    title: ClassVar[str] = "Request too large"


class BodyTooSlow(MeterrError):
    """The body did not arrive in time."""

    code: ClassVar[str] = "request-timeout"
    status: ClassVar[int] = 408
    title: ClassVar[str] = "Request timeout"


class ClientGone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


async def read_body(scope: Scope, receive: Receive, *, bytes_max: int, timeout_s: float) -> bytes:
    """
    Return the whole body.

    Raises:
        BodyTooLarge: more than ``bytes_max`` bytes were announced or sent.
        BodyTooSlow: the body was not complete ``timeout_s`` seconds after the headers.
        ClientGone: the connection closed first.
    """
    whole: bytes | None = scope.get(WHOLE_BODY)
    if whole is not None:
        if len(whole) > bytes_max:
            raise _too_large(bytes_max)
        return whole
    if _announced_length(scope) > bytes_max:
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, bytes_max)
    except TimeoutError:
        raise BodyTooSlow(
            f"The request body was not complete after {timeout_s:g} seconds. Send it faster."
        ) from None


def _announced_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return -1


async def _collect(receive: Receive, bytes_max: int) -> bytes:
    message = await receive()
    parts: list[bytes] = []
    total = 0
    while message["type"] == "http.request":
        parts.append(message["body"])
        total += len(parts[-1])
        if total > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientGone


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {bytes_max} bytes. Send less at once.")
