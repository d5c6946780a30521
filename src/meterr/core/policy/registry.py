"""What each route asks of its callers. A route that says nothing stops the start."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from meterr.core.errors import OperatorError
from meterr.core.policy.permission import Permission
from meterr.core.principal import Scope

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Route(NamedTuple):
    """A method and a path template, as the router has them; never what a request says."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Open:
    """Anybody may call it, and ``why`` says what makes that right."""

    why: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """Callers with an API key that has this scope may call it; no cookie counts here."""

    scope: Scope


Access = Permission | Keyed | Open


class RouteUndeclared(OperatorError):
    """A route does not say who may call it, says it twice, or says nothing that exists."""


class Registry:
    """
    Routes and what they ask for. Built once at start; answers only for what was declared.

    Raises:
        RouteUndeclared: a declaration is doubled, or is no access, or its route is none.
    """

    def __init__(self, declared: Iterable[tuple[Route, Access]]) -> None:
        entries = tuple(declared)
        doubled = [route for route, n in Counter(route for route, _ in entries).items() if n > 1]
        if doubled:
            raise RouteUndeclared(f"declared twice: {_listed(doubled)}.")
        for route, access in entries:
            _check(route, access)
        self._access = MappingProxyType(dict(entries))

    def __iter__(self) -> Iterator[tuple[Route, Access]]:
        """Yield every declaration: what a matrix of routes and roles is generated from."""
        return iter(self._access.items())

    def access(self, route: Route) -> Access:
        """Return what ``route`` asks for; RouteUndeclared, never a default, for another route."""
        try:
            return self._access[route]
        except KeyError:
            raise RouteUndeclared(f"no permission is declared for {_listed([route])}.") from None

    def check(self, served: Iterable[Route]) -> None:
        """
        Compare with the routes that are really served; call it before listening.

        Raises:
            RouteUndeclared: a served route is not declared, or a declared one is not served.
        """
        routes = set(served)
        if undeclared := routes - set(self._access):
            raise RouteUndeclared(f"no permission is declared for {_listed(undeclared)}.")
        if unserved := set(self._access) - routes:
            raise RouteUndeclared(f"declared but not served: {_listed(unserved)}.")

    def check_grants(self) -> None:
        """
        Compare with the permissions that can be granted; where all routes are served.

        Raises:
            RouteUndeclared: a permission has no route, so granting it would say something untrue.
        """
        if idle := set(Permission) - set(self._access.values()):
            raise RouteUndeclared(f"no route asks for {', '.join(sorted(idle))}: delete it.")


def _check(route: Route, access: Access) -> None:
    if route.method not in _METHODS or not route.path.startswith("/"):
        raise RouteUndeclared(f"{_listed([route])} is no route.")
    if isinstance(access, Open) and not access.why.strip():
        raise RouteUndeclared(f"{_listed([route])} is open and does not say why.")
    # Whoever declares may not be type-checked: a text that looks like a permission is none.
    if not isinstance(access, Permission | Keyed | Open):
        raise RouteUndeclared(f"{_listed([route])} declares {access!r}, which is no permission.")


def _listed(routes: Iterable[Route]) -> str:
    return ", ".join(f"{route.method} {route.path}" for route in sorted(routes))
