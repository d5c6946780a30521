"""The few ASGI shapes that plain routes are written against."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ON_CLIENT_GONE = "meterr.on_client_gone"
"""Scope key: a callable that the server protocol calls once if the client leaves before the end."""

ERROR_HEADERS = "meterr.error_headers"
"""Scope key: headers that an error answer has too, e.g. those that take cookies away."""

WHOLE_BODY = "meterr.whole_body"
"""Scope key: the request body, once all of it is here and nobody has begun to receive it."""


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send one whole answer; ``content-length`` is added here."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
