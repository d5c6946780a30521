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
from meterr.core.http.route import Handler, Route
from meterr.core.ids import IdFactory
from meterr.core.policy import Open, Registry
from meterr.core.policy import Route as PolicyRoute
from meterr.core.policy.registry import Access
from meterr.core.settings import Settings
from meterr.core.telemetry import RequestLine, Telemetry
from meterr.gateway.declared import declared

PREFIX: Final = "/api/v1/"
QUERY: Final = ("/v1/query", "/api/query")
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
    authenticator: identity.Authenticator,
    port: int | None,
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
    told = parts(settings, dsn, keyring, keys, clock, ids, reporter, telemetry, authenticator, port)
    async with opener(told) as api:
        yield api


def below(settings: Settings, api: Served | None) -> Mapping[str, Route]:
    """Return the routes of the API that have a parameter, by prefix."""
    if not settings.server.api:
        return {}
    handle = _without_keys if api is None else api.handle
    found = {PREFIX: dict.fromkeys(_METHODS, handle)}
    for route in _beside(api):
        prefix, brace, _ = route.path.partition("{")
        if brace:
            found.setdefault(prefix, {})[route.method] = handle
    return {prefix: Route("api", of, accepts_cookie=True) for prefix, of in found.items()}


def exact(settings: Settings, api: Served | None) -> Mapping[str, Route]:
    """Return the routes of the API beside its prefix; shared with no origin, like the rest."""
    if not settings.server.api:
        return {}
    if api is None:
        told = {"POST": _without_keys}
        return {path: Route("api", told, accepts_cookie=True) for path in QUERY}
    found: dict[str, dict[str, Handler]] = {}
    for route in _beside(api):
        if "{" not in route.path:
            found.setdefault(route.path, {})[route.method] = api.handle
    return {path: Route("api", of, accepts_cookie=True) for path, of in found.items()}


def _beside(api: Served | None) -> list[PolicyRoute]:
    return [each for each in (api.routes() if api else ()) if not each.path.startswith(PREFIX)]


def check_policy(
    paths: Mapping[str, Route], prefixes: Mapping[str, Route], api: Served | None
) -> Registry:
    """
    Compare everything that is served with everything that is declared; before listening.

    ``paths`` and ``prefixes`` are without the routes of the API, which says its own.

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
        yield from (PolicyRoute(method, prefix + _REST) for method in route.handlers)
    if api is not None:
        yield from api.routes()


def _health() -> Iterable[tuple[PolicyRoute, Access]]:
    why = Open("Probes have no credential; it says which part is missing, and no more.")
    return ((PolicyRoute("GET", path), why) for path in ("/healthz", "/readyz"))


async def _without_keys(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
    raise NotConfigured("The management API", "key_encryption_key")
