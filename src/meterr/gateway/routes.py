"""The gateway's paths, and its errors in the dialect of whoever asked."""

from collections.abc import Iterable, Mapping

from meterr.core.errors import MeterrError
from meterr.core.http.answer_head import Audience
from meterr.core.http.asgi import Receive, Scope, Send, answer
from meterr.core.http.route import Rendered, Route
from meterr.core.telemetry import RequestLine
from meterr.gateway import dialect
from meterr.gateway.handler import MeteredSurface
from meterr.gateway.models import PREFIX, Models
from meterr.gateway.surfaces import Family, Surface, family_of

_SDK_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "x-stainless-arch",
    "x-stainless-helper",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-custom-poll-interval",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
)
_FAMILY_HEADERS: Mapping[Family, tuple[str, ...]] = {
    Family.OPENAI: ("openai-beta", "openai-organization", "openai-project", "x-api-key"),
    Family.ANTHROPIC: (
        "anthropic-beta",
        "anthropic-dangerous-direct-browser-access",
        "anthropic-version",
        "x-api-key",
    ),
}


def exact_routes(surfaces: Mapping[Surface, MeteredSurface], models: Models) -> Mapping[str, Route]:
    """Return the routes with a full path."""
    routes = {
        surface.path: Route(
            surface.name,
            {"POST": metered.handle},
            Audience.SDKS,
            request_headers=_sent_by([surface.family]),
        )
        for surface, metered in surfaces.items()
    }
    routes["/v1/models"] = Route(
        "models.list", {"GET": models.list}, Audience.SDKS, request_headers=_sent_by(Family)
    )
    routes["/"] = Route("root", {"HEAD": _root, "GET": _root}, Audience.SDKS)
    return routes


def routes_below(models: Models) -> Mapping[str, Route]:
    """Return the routes with a path parameter, by prefix."""
    return {
        PREFIX: Route(
            "models.read",
            {"GET": models.read},
            Audience.SDKS,
            any_text=True,  # names of models hold slashes, and some SDKs encode them
            request_headers=_sent_by(Family),
        )
    }


def _sent_by(families: Iterable[Family]) -> frozenset[str]:
    """Return the request headers that these families' SDKs send from a page."""
    return frozenset(_SDK_HEADERS).union(*(_FAMILY_HEADERS[family] for family in families))


def render(scope: Scope, error: MeterrError, request_id: str) -> Rendered:
    """Render an error in the dialect of the caller's family."""
    family = family_of(scope["path"], scope["headers"])
    return (
        dialect.headers(family, error, request_id),
        dialect.body(family, error, request_id),
    )


async def _root(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
    """Answer connection checks of SDKs and agents; says nothing about versions."""
    line.status = 200
    headers = [(b"content-type", b"application/json")]
    await answer(send, 200, headers, b'{"service":"meterr"}')
