"""The gateway's paths, and its errors in the dialect of whoever asked."""

from collections.abc import Mapping

from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Receive, Scope, Send, answer
from meterr.core.http.door import Rendered, Route
from meterr.core.telemetry import RequestLine
from meterr.gateway import dialect
from meterr.gateway.handler import MeteredSurface
from meterr.gateway.models import PREFIX, Models
from meterr.gateway.surfaces import Surface, family_of


def exact_routes(surfaces: Mapping[Surface, MeteredSurface], models: Models) -> Mapping[str, Route]:
    """Return the routes with a full path."""
    routes = {
        surface.path: Route(surface.name, {"POST": metered.handle})
        for surface, metered in surfaces.items()
    }
    routes["/v1/models"] = Route("models.list", {"GET": models.list})
    routes["/"] = Route("root", {"HEAD": _root, "GET": _root})
    return routes


def routes_below(models: Models) -> Mapping[str, Route]:
    """Return the routes with a path parameter, by prefix."""
    return {PREFIX: Route("models.read", {"GET": models.read})}


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
