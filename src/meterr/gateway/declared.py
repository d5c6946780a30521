"""What the gateway's routes ask of their callers: their part of the policy registry."""

from collections.abc import Iterator

from meterr.core.policy import Keyed, Open, Route
from meterr.core.policy.registry import Access
from meterr.core.principal import Scope
from meterr.gateway.models import PREFIX
from meterr.gateway.surfaces import SURFACES


def declared() -> Iterator[tuple[Route, Access]]:
    """Yield each route of the gateway with what it asks for."""
    for surface in SURFACES:
        yield Route("POST", surface.path), Keyed(surface.scope)
    yield Route("GET", PREFIX.rstrip("/")), Keyed(Scope.MODELS)
    yield Route("GET", PREFIX + "{rest}"), Keyed(Scope.MODELS)
    for method in ("GET", "HEAD"):
        yield Route(method, "/"), Open("Clients check the connection here; it says one word.")
