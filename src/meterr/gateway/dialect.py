"""The same error in the caller's own dialect: as a JSON body, or as an event inside a stream."""

import msgspec

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Headers
from meterr.core.ids import unix_ms_of
from meterr.gateway.errors import CallTooLarge
from meterr.gateway.rate_headers import rate_headers
from meterr.gateway.surfaces import RESPONSES, Family, Surface
from meterr.ledger.limits import LimitReached

_JSON = (b"content-type", b"application/json")

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    414: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    429: "rate_limit_error",
}
_NOT_CURED_BY_WAITING = frozenset({400, 401, 402, 403, 404, 413, 414, 421})
_OPENAI_CODES = {
    "call-too-large": "rate_limit_exceeded",
    "invalid-key": "invalid_api_key",
    "model-not-found": "model_not_found",
    "budget-reached": "insufficient_quota",
    "rate-limit-reached": "rate_limit_exceeded",
    "concurrency-reached": "rate_limit_exceeded",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    414: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def body(family: Family, error: MeterrError, request_id: str) -> bytes:
    """Render ``error`` as this family's SDKs parse it. Only public text is used."""
    return msgspec.json.encode(_tree(family, error, request_id))


def headers(family: Family, error: MeterrError, request_id: str) -> Headers:
    """Return the headers of an error answer, ``Retry-After`` included where it belongs."""
    identity = b"request-id" if family is Family.ANTHROPIC else b"x-request-id"
    found = [_JSON, (identity, request_id.encode()), (b"x-meterr-request-id", request_id.encode())]
    if isinstance(error, LimitReached):
        found += rate_headers(family, (error.state,), unix_ms_of(request_id))
    wait_s = error.retry_after_s
    if wait_s is None and error.status in (429, 503):
        wait_s = 1  # every refusal for now says when to come back
    if wait_s is not None:
        found.append((b"retry-after", b"%d" % wait_s))
        if family is Family.OPENAI:
            found.append((b"retry-after-ms", b"%d" % (wait_s * 1000)))
    if error.status in _NOT_CURED_BY_WAITING or isinstance(error, CallTooLarge):
        # Both families' SDKs look at this before they repeat a call that cannot succeed.
        found.append((b"x-should-retry", b"false"))
    return found


def event(surface: Surface, error: MeterrError, request_id: str) -> bytes:
    """Render ``error`` as the event that ends a stream which has already begun."""
    if surface is RESPONSES:
        text = msgspec.json.encode(
            {"type": "error", "code": error.code, "message": error.detail, "param": error.param}
        )
        return b"event: error\ndata: %b\n\n" % text
    text = body(surface.family, error, request_id)
    if surface.family is Family.ANTHROPIC:
        return b"event: error\ndata: %b\n\n" % text
    return b"data: %b\n\n" % text


def _tree(family: Family, error: MeterrError, request_id: str) -> dict[str, object]:
    if family is Family.ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": error.detail},
            "request_id": request_id,
        }
    return {
        "error": {
            "message": error.detail,
            "type": _OPENAI_TYPES.get(error.status, "server_error"),
            "param": error.param,
            "code": _OPENAI_CODES.get(error.code, error.code),
        }
    }
