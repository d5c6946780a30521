"""Where the management API is mounted: one prefix, beside the exact paths of the gateway."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pkgutil import resolve_name
from typing import Final, Protocol

from meterr import identity
from meterr.app import encryption
from meterr.core.clock import Clock
from meterr.core.errors import NotConfigured
from meterr.core.events import Reporter
from meterr.core.http.asgi import Receive, Scope, Send
from meterr.core.http.route import Route
from meterr.core.ids import IdFactory
from meterr.core.policy import Open, Registry
from meterr.core.policy import Route as PolicyRoute
from meterr.core.policy.registry import Access
from meterr.core.settings import Settings
from meterr.core.telemetry import RequestLine, Telemetry
from meterr.gateway.declared import declared

PREFIX: Final = "/api/v1/"
LEAKS: Final = "/v1/leaks"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REST: Final = "{rest}"


class Served(Protocol):
    """The API as this module needs it; its own module is loaded only where it is served."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer one request."""

    def routes(self) -> list[PolicyRoute]:
        """Return the routes that are served."""

    def declared(self) -> Iterable[tuple[PolicyRoute, Access]]:
        """Return what they ask for."""


@asynccontextmanager
async def open_api(
    settings: Settings,
    dsn: str,
    keyring: identity.Keyring,
    clock: Clock,
    ids: IdFactory,
    reporter: Reporter,
    telemetry: Telemetry,
) -> AsyncIterator[Served | None]:
    """Yield the API; None where the settings leave it out, or nobody could sign in."""
    keys = encryption.configured(settings) if settings.server.api else None
    if keys is None:
        yield None
        return
    # By name: FastAPI takes memory and time that a process without the API is to be spared.
    parts = resolve_name("meterr.app.management:Parts")
    opener: Callable[..., AbstractAsyncContextManager[Served]] = resolve_name(
        "meterr.app.management:open_management"
    )
    async with opener(parts(settings, dsn, keyring, keys, clock, ids, reporter, telemetry)) as api:
        yield api


def below(settings: Settings, api: Served | None) -> Mapping[str, Route]:
    """Return the one route of the API, by its prefix."""
    if not settings.server.api:
        return {}
    handle = _without_keys if api is None else api.handle
    handlers = dict.fromkeys(_METHODS, handle)
    return {PREFIX: Route("api", handlers, accepts_cookie=True)}


def exact(api: Served | None) -> Mapping[str, Route]:
    """Return the one route of the API beside its prefix; shared with no origin, like the rest."""
    if api is None:
        return {}
    return {LEAKS: Route("leaks", {"POST": api.handle}, accepts_cookie=True)}


def check_policy(
    paths: Mapping[str, Route], prefixes: Mapping[str, Route], api: Served | None
) -> Registry:
    """
    Compare everything that is served with everything that is declared; before listening.

    Raises RouteUndeclared for any difference, and for a permission that no route asks for.
    """
    registry = Registry([*declared(), *_health(), *(api.declared() if api is not None else ())])
    registry.check(_served(paths, prefixes, api))
    if api is not None:
        registry.check_grants()
    return registry


def _served(
    paths: Mapping[str, Route], prefixes: Mapping[str, Route], api: Served | None
) -> Iterable[PolicyRoute]:
    for path, route in paths.items():
        yield from (PolicyRoute(method, path) for method in route.handlers)
    for prefix, route in prefixes.items():
        if prefix != PREFIX:
            yield from (PolicyRoute(method, prefix + _REST) for method in route.handlers)
    if api is not None:
        yield from api.routes()


def _health() -> Iterable[tuple[PolicyRoute, Access]]:
    why = Open("Probes have no credential; it says which part is missing, and no more.")
    return ((PolicyRoute("GET", path), why) for path in ("/healthz", "/readyz"))


async def _without_keys(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
    raise NotConfigured("The management API", "key_encryption_key")
