"""What keeps a gateway from starting: a route that does not say who may call it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meterr.core.api import Api, Caller, Operation
from meterr.core.api.allowance import Allowance
from meterr.core.crypto import mint
from meterr.core.http.asgi import Scope
from meterr.core.policy import Open, Permission, Registry, Route, RouteUndeclared
from meterr.core.telemetry import RequestLine
from support import undeclared
from support.meterr_house import PEPPER


def started(database_url: str, folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Start the composition of the gateway with one more route, if ``path`` is one."""
    settings = {
        "data_dir": str(folder),
        "key_pepper": PEPPER,
        "key_encryption_key": mint("k1", os.urandom).text(),
        "upstreams": {},
    }
    told = json.dumps({"dsn": database_url, "settings": settings, "path": path})
    return subprocess.run(
        [sys.executable, "-m", undeclared.__name__],
        input=told + "\n",
        cwd=Path(undeclared.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("path", ["/api/v1/forgotten", "/v1/forgotten", "/forgotten"])
def test_a_process_with_an_undeclared_route_does_not_come_to_listen(
    database_url: str, tmp_path: Path, path: str
) -> None:
    """Issue 4.1, CVE-2026-49468: the app refuses to start if one route does not declare."""
    ended = started(database_url, tmp_path, path)
    assert 0 != ended.returncode
    assert "serves" not in ended.stdout
    assert f"RouteUndeclared: no permission is declared for GET {path}." in ended.stderr


def test_the_same_process_without_that_route_serves(database_url: str, tmp_path: Path) -> None:
    """The check above can fail: it is that route which stops it."""
    ended = started(database_url, tmp_path, "")
    assert (0, "serves\n") == (ended.returncode, ended.stdout), ended.stderr


class Nobody:
    """A gate and a counter that are never asked."""

    async def admit(
        self, scope: Scope, operation: Operation, tenant_id: str | None, line: RequestLine
    ) -> Caller:
        raise AssertionError

    async def take(self, caller: Caller) -> Allowance:
        raise AssertionError


async def answered() -> None:
    """Answer nothing."""


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/api/v1/x", None),
        ("/api/v1/x", "self:profile:read"),
        ("/api/v1/x", "admin"),
        ("/api/v1/x", Permission.TENANT_KEY_READ),  # of which tenant?
        ("/api/v1/tenants/{tenant_id}/x", Permission.PLATFORM_TENANT_READ),
        ("/api/v1/tenants/{tenant_id}/x", Open("a tenant's things are never open to all")),
    ],
)
def test_an_operation_that_cannot_be_guarded_is_no_operation(path: str, access: Any) -> None:
    """S1:312-321: an unknown role or permission is an error at the start, never a yes."""
    operation = Operation(Route("GET", path), access, answered, "x")
    with pytest.raises(RouteUndeclared):
        Api([operation], Nobody(), Nobody(), body_timeout_s=1)


def test_the_registry_has_what_is_served_and_nothing_else() -> None:
    """Issue 4.1: a route that was added to the API beside its declaration is seen."""
    operation = Operation(Route("GET", "/api/v1/x"), Open("of the test"), answered, "x")
    api = Api([operation], Nobody(), Nobody(), body_timeout_s=1)
    Registry(api.declared()).check(api.routes())
    with pytest.raises(RouteUndeclared):
        Registry(()).check(api.routes())
