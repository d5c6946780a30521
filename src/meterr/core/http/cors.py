"""Cross-origin resource sharing: exact origins, never with credentials. Pure."""

from collections.abc import Collection, Iterable
from typing import ClassVar, Final

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Headers

PREFLIGHT_KEPT_S: Final = 600
"""How long a browser may remember what a preflight said; a change of settings is seen by then."""

EXPOSED: Final = (
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-meterr-cost-usd",
    "x-meterr-request-id",
    "x-request-id",
    "x-should-retry",
    *(
        f"x-ratelimit-{of}-{measure}"
        for measure in ("requests", "tokens")
        for of in ("limit", "remaining", "reset")
    ),
    *(
        f"anthropic-ratelimit-{measure}-{of}"
        for measure in ("requests", "tokens")
        for of in ("limit", "remaining", "reset")
    ),
)
"""What scripts of an allowed origin may read of an answer, beside what they always may."""


class OriginNotAllowed(MeterrError):
    """A browser asks for a page of an origin that is not in the settings."""

    code: ClassVar[str] = "origin-not-allowed"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "Origin not allowed"


def shared_with(origin: str) -> Iterable[tuple[str, str]]:
    """Return the headers that let scripts of ``origin`` read an answer."""
    yield "access-control-allow-origin", origin
    yield "access-control-expose-headers", ", ".join(EXPOSED)


def preflight(methods: Collection[str], request_headers: Collection[str]) -> Headers:
    """Return what a route takes from other origins; its origin is in the answer's head already."""
    return [
        (b"access-control-allow-methods", ", ".join(sorted(methods)).encode()),
        (b"access-control-allow-headers", ", ".join(sorted(request_headers)).encode()),
        (b"access-control-max-age", b"%d" % PREFLIGHT_KEPT_S),
    ]
