"""A route of our API, as its room declares it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from meterr.core.api.allowance import REQUESTS
from meterr.core.errors import MeterrError
from meterr.core.policy import Open, Permission, Route
from meterr.core.principal import Scope

TENANT_HEADER = "X-Meterr-Tenant"
"""By which whoever is a member of several tenants says which one they mean."""

Endpoint = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One route.

    Args:
        route: Method and path template, e.g. ``/api/v1/tenants/{tenant_id}/keys``.
        access: Who may call it. A permission of the tenant plane needs ``{tenant_id}`` in the path,
            or ``of_caller``.
        endpoint: A coroutine function whose parameters FastAPI fills in.
        name: What logs and the OpenAPI document call it, e.g. ``keys.create``.
        status: Of a success; 204 has no body.
        cookie: Whether a session's cookie opens it, beside a bearer token.
        errors: What its service refuses with, beside what every route may answer.
        raw: Its body is no JSON document of ours: the endpoint reads it.
        of_caller: Its path names no tenant. It is about the key's, the person's only one, or the
            one in the header ``X-Meterr-Tenant``.
        key_scope: API keys with this scope may call it, beside the people who may.
        counted_as: The unit of the allowance that a call takes from.
        shows: What it answers with, where the endpoint returns bytes that are written already.
        ends_with_client: It stops when the client leaves.
    """

    route: Route
    access: Permission | Open
    endpoint: Endpoint
    name: str
    status: int = 200
    cookie: bool = True
    errors: tuple[type[MeterrError], ...] = ()
    raw: bool = False
    of_caller: bool = False
    key_scope: Scope | None = None
    counted_as: str = REQUESTS
    shows: Any = None
    ends_with_client: bool = False

    @classmethod
    def of(
        cls,
        subject: str,
        method: str,
        path: str,
        access: Permission | Open,
        endpoint: Endpoint,
        *errors: type[MeterrError],
        status: int = 200,
    ) -> Self:
        """Return the operation of ``subject`` that is called what its endpoint is called."""
        name = f"{subject}.{endpoint.__name__}"
        return cls(Route(method, path), access, endpoint, name, status=status, errors=errors)

    @property
    def group(self) -> str:
        """What it is about, e.g. ``keys``: the first part of its name."""
        return self.name.partition(".")[0]

    @property
    def needs_session(self) -> bool:
        """Whether only somebody who is signed in may call it."""
        return not isinstance(self.access, Open)
