"""GET /_simulator/health and /_simulator/calls: for tests and people, not for SDKs."""

from urllib.parse import parse_qs

import msgspec

from meterr.core.http.asgi import Scope, Send, answer
from meterr.simulator.call_log import CallLog
from meterr.simulator.model import Json

PREFIX = "/_simulator/"
_LIMIT = 1_000
_LIMIT_MAX = 100_000


async def answer_control(scope: Scope, send: Send, log: CallLog) -> None:
    """Answer one control request."""
    path = scope["path"].removeprefix(PREFIX)
    if scope["method"] != "GET" or path not in {"health", "calls"}:
        await send_json(send, 404, _error("GET /_simulator/health or /_simulator/calls"))
    elif path == "health":
        await send_json(send, 200, {"status": "ok"})
    else:
        await _answer_calls(scope, send, log)


async def _answer_calls(scope: Scope, send: Send, log: CallLog) -> None:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    try:
        after = int(query.get("after", ["0"])[0])
        limit = int(query.get("limit", [str(_LIMIT)])[0])
    except ValueError:
        await send_json(send, 400, _error("after and limit are whole numbers"))
        return
    await send_json(send, 200, log.calls(after=after, limit=max(0, min(limit, _LIMIT_MAX))))


async def send_json(send: Send, status: int, body: Json, *, close: bool = False) -> None:
    """Send one JSON document; ``close`` ends the connection after it."""
    headers = [(b"content-type", b"application/json")]
    if close:
        headers.append((b"connection", b"close"))
    await answer(send, status, headers, msgspec.json.encode(body))


def _error(message: str) -> Json:
    return {"error": {"type": "invalid_request_error", "message": message}}
