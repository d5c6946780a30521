"""A model behind our own gateway: an ordinary call with an ordinary key, so it is metered."""

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import httpcore2
import msgspec

from meterr.core.errors import Unavailable
from meterr.query.language.ports import COMPLETION_S_MAX
from meterr.query.language.prompt import Message
from meterr.query.language.reply import REPLY_CHARS_MAX

_AWAY: Final = "The model that turns questions into SQL does not answer; ask in SQL, or later."
_NO_ROOM: Final = "A budget or limit leaves no room for a question in plain language; ask in SQL."
_PATH: Final = "/v1/chat/completions"
_RETRY_AFTER_S: Final = 5
_BODY_BYTES_MAX: Final = 8 * REPLY_CHARS_MAX


class KeyNotTaken(Unavailable):
    """The gateway does not take our key: it was revoked, or has ended."""


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Said


class _Completion(msgspec.Struct):
    choices: tuple[_Choice, ...]


class GatewayModel:
    """
    Asks ``model`` at the chat surface of a meterr gateway, with one of its keys.

    The key's limits, models and ledger apply as to anybody. Sends model and messages and nothing
    else: no temperature, no tools, no response format. Follows no redirect and tries once.
    """

    def __init__(
        self, url: str, key: str, model: str, *, timeout_s: float = COMPLETION_S_MAX
    ) -> None:
        """Raises ValueError unless ``url`` is https, or http to this machine itself."""
        if not _is_private(url):
            raise ValueError("the gateway is asked over https, or over http on this machine only")
        self._url = url.rstrip("/") + _PATH
        self._authorization = f"Bearer {key}".encode()
        self._model = model
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"GatewayModel({self._url!r}, model={self._model!r})"

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return the answer's text. Raises Unavailable for whatever keeps it from coming."""
        body = msgspec.json.encode({"model": self._model, "messages": messages})
        try:
            async with asyncio.timeout(self._timeout_s):
                status, answer = await self._sent(body)
        except (TimeoutError, OSError, httpcore2.NetworkError, httpcore2.ProtocolError) as fault:
            raise _unavailable(type(fault).__name__) from None
        if status == 401:
            raise KeyNotTaken(_AWAY, private="status 401", retry_after_s=_RETRY_AFTER_S)
        if status in {402, 429}:
            raise _unavailable(f"status {status}", _NO_ROOM)
        if status != 200:
            raise _unavailable(f"status {status}")
        try:
            completion = msgspec.json.decode(answer, type=_Completion)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _unavailable("not a completion") from None
        return completion.choices[0].message.content or "" if completion.choices else ""

    async def _sent(self, body: bytes) -> tuple[int, bytes]:
        headers = [
            (b"authorization", self._authorization),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        async with (
            httpcore2.AsyncConnectionPool(max_connections=1) as pool,
            pool.stream(
                "POST", self._url, headers=_with_host(self._url, headers), content=body
            ) as r,
        ):
            answer = b""
            async for chunk in r.aiter_stream():
                answer += chunk
                if len(answer) > _BODY_BYTES_MAX:
                    raise _unavailable("too long")
            return r.status, answer


def _with_host(url: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(b"host", urlsplit(url).netloc.encode()), *headers]


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _unavailable(why: str, told: str = _AWAY) -> Unavailable:
    return Unavailable(told, private=why, retry_after_s=_RETRY_AFTER_S)
