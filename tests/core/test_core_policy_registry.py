"""Every route declares who may call it, or the process does not start."""

import pytest

from meterr.core.policy import Keyed, Open, Permission, Registry, Route, RouteUndeclared
from meterr.core.principal import Scope

KEYS = Route("GET", "/v1/keys")
MAKE = Route("POST", "/v1/keys")
CHAT = Route("POST", "/v1/chat/completions")
HEALTH = Route("GET", "/healthz")


def registry() -> Registry:
    return Registry(
        [
            (KEYS, Permission.TENANT_KEY_READ),
            (MAKE, Permission.TENANT_KEY_CREATE),
            (CHAT, Keyed(Scope.CHAT)),
            (HEALTH, Open("says nothing but that it runs")),
        ]
    )


def test_what_was_declared_is_what_is_asked_for() -> None:
    """S1:312-321, row 54: the permission comes from the matched route, not from the request."""
    declared = registry()
    declared.check([KEYS, MAKE, CHAT, HEALTH])
    assert Permission.TENANT_KEY_CREATE is declared.access(MAKE)
    assert Keyed(Scope.CHAT) == declared.access(CHAT)
    assert 4 == len(list(declared))


def test_a_served_route_that_declares_nothing_stops_the_start() -> None:
    """Row 54, CVE-2026-49468: a route without a declared policy fails at boot, by name."""
    with pytest.raises(RouteUndeclared, match="DELETE /v1/keys"):
        registry().check([KEYS, MAKE, CHAT, HEALTH, Route("DELETE", "/v1/keys")])


def test_a_declaration_without_its_route_stops_the_start_too() -> None:
    """A permission for a path that was renamed protects nothing."""
    with pytest.raises(RouteUndeclared, match="not served: GET /healthz"):
        registry().check([KEYS, MAKE, CHAT])


def test_a_permission_that_no_route_asks_for_stops_the_start() -> None:
    """Issue 4.1: what can be granted can be used; the one that serves all routes checks it."""
    with pytest.raises(RouteUndeclared, match="no route asks for platform:credential:change"):
        registry().check_grants()
    every = [(Route("GET", f"/{each.value}"), each) for each in Permission]
    Registry(every).check_grants()
    with pytest.raises(RouteUndeclared, match=r"for tenant:key:change: delete it\."):
        Registry([x for x in every if x[1] is not Permission.TENANT_KEY_CHANGE]).check_grants()


def test_there_is_no_default_for_a_route_nobody_declared() -> None:
    """Asking is an error, not a yes and not a no that somebody may swallow."""
    for route in (Route("PUT", "/v1/keys"), Route("POST", "/v1/keys/"), Route("post", "/v1/keys")):
        with pytest.raises(RouteUndeclared):
            registry().access(route)


@pytest.mark.parametrize(
    "declared",
    [
        [(KEYS, Permission.TENANT_KEY_READ), (KEYS, Open("twice"))],
        [(KEYS, "tenant:key:read")],
        [(KEYS, None)],
        [(KEYS, Open("  "))],
        [(Route("FETCH", "/v1/keys"), Permission.TENANT_KEY_READ)],
        [(Route("GET", "v1/keys"), Permission.TENANT_KEY_READ)],
    ],
    ids=["doubled", "text", "nothing", "open without a why", "no method", "no path"],
)
def test_a_declaration_that_says_nothing_clear_stops_the_start(declared: list) -> None:
    """Row 54: an unknown permission is a boot error."""
    with pytest.raises(RouteUndeclared):
        Registry(declared)
