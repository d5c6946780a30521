"""Errors of our own API as problem details (RFC 9457): only what is public, always the id. Pure."""

import msgspec

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import ERROR_HEADERS, Headers, Scope

MEDIA_TYPE = b"application/problem+json"
_TYPE = "urn:meterr:error:"


def problem(error: MeterrError, request_id: str) -> dict[str, object]:
    """Return a problem document; ``param`` only where a field is at fault."""
    told: dict[str, object] = {
        "type": _TYPE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"urn:uuid:{request_id}",
        "code": error.code,
    }
    if error.param is not None:
        told["param"] = error.param
    return {**error.members, **told}


def render(scope: Scope, error: MeterrError, request_id: str) -> tuple[Headers, bytes]:
    """
    Render ``error`` for a program; 429 and 503 always say when to come back, in seconds.

    429 also has ``RateLimit`` (IETF draft, structured fields): until then nothing is left of what
    the code says were too many. A route that has told its limits itself is not told again.
    """
    headers = [
        (b"content-type", MEDIA_TYPE),
        (b"x-meterr-request-id", request_id.encode()),
    ]
    wait_s = error.retry_after_s
    if wait_s is None and error.status in (429, 503):
        wait_s = 1
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % wait_s))
        if error.status == 429:
            told = scope.get(ERROR_HEADERS, ())
            limit = error.code.removeprefix("too-many-").encode()
            if not any(name == b"ratelimit" and b";r=0;" in value for name, value in told):
                headers.append((b"ratelimit", b'"%b";r=0;t=%d' % (limit, wait_s)))
    return headers, msgspec.json.encode(problem(error, request_id))
