"""The one handler of our API: a request finds its route, passes the gate, and meets FastAPI."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from fastapi.datastructures import Default
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from meterr.core.api.allowance import Allowance
from meterr.core.api.body import refuse_ambiguous
from meterr.core.api.caller import CALLER, Caller
from meterr.core.api.documents import Asked
from meterr.core.api.faults import invalid
from meterr.core.api.operation import Operation
from meterr.core.errors import Invalid, NotFound, UnsupportedMediaType
from meterr.core.http.asgi import ERROR_HEADERS, Headers, Message, Receive, Scope, Send
from meterr.core.http.client_there import while_there
from meterr.core.http.json_body import API_BODY_BYTES_MAX, OPEN_BODY_BYTES_MAX, read_json_body
from meterr.core.http.route import MethodNotAllowed
from meterr.core.http.web import KNOWN
from meterr.core.policy import Open, Permission, Route, RouteUndeclared
from meterr.core.policy.permission import Plane
from meterr.core.telemetry import RequestLine

TENANT_ID = "tenant_id"
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})
"""A request without either has no body to wait for."""


class Gate(Protocol):
    """Whoever says who a request is from, and whether that person may."""

    async def admit(
        self, scope: Scope, operation: Operation, tenant_id: str | None, line: RequestLine
    ) -> Caller:
        """Return the caller, or raise what the policy answers."""

    async def let_in(self, caller: Caller, operation: Operation) -> None:
        """Put on record what must be, once, before anything is done; or raise."""


class Counter(Protocol):
    """Whoever counts what each caller sends."""

    async def take(self, caller: Caller, operation: Operation) -> Allowance:
        """Count one request of ``caller``."""


@dataclass(frozen=True, slots=True)
class _Served:
    operation: Operation
    route: APIRoute
    queries: frozenset[str]
    fields: tuple[str, ...]


class Api:
    """
    All routes of our own API.

    Authorisation is by the matched route object, before a byte of the body is read, and once more
    when it is there: whoever sends it slowly may have been shown out meanwhile.

    Raises RouteUndeclared for an operation that cannot be guarded.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        gate: Gate,
        counter: Counter,
        *,
        body_timeout_s: float,
    ) -> None:
        self._gate = gate
        self._counter = counter
        self._body_timeout_s = body_timeout_s
        self._served = [_serve(each) for each in operations]

    def routes(self) -> list[Route]:
        """Return the routes that are served, as the router has them."""
        return [
            Route(method, each.route.path)
            for each in self._served
            for method in sorted(each.route.methods or ())
        ]

    def declared(self) -> list[tuple[Route, Permission | Open]]:
        """Return what each operation asks for."""
        return [(each.operation.route, each.operation.access) for each in self._served]

    @property
    def operations(self) -> Sequence[Operation]:
        """What is served, as it was declared."""
        return [each.operation for each in self._served]

    @property
    def described(self) -> list[APIRoute]:
        """The routes as FastAPI knows them, for the OpenAPI document."""
        return [each.route for each in self._served]

    async def handle(self, scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        """Answer one request. Refusals are raised, for the door to render."""
        served, params = self._match(scope)
        operation = served.operation
        line.route = operation.name
        tenant_id = params.get(TENANT_ID)
        caller = scope[CALLER] = await self._gate.admit(scope, operation, tenant_id, line)
        allowance = await self._counter.take(caller, operation)
        told = allowance.headers()
        scope[ERROR_HEADERS] = [*told]
        allowance.require()
        _check_query(scope["query_string"], served.queries)
        body = await self._body(scope, receive, operation)
        if not _BODY_HEADERS.isdisjoint(name for name, _ in scope["headers"]):
            scope[CALLER] = await self._gate.admit(scope, operation, tenant_id, line)
            caller = scope[CALLER]
        await self._gate.let_in(caller, operation)
        try:
            answering = partial(_answered, send, line, told)
            with caller.source.acts():
                called = _called(served.route, scope, _whole(body, receive), answering)
                await (while_there(receive, called) if operation.ends_with_client else called)
        except RequestValidationError as error:
            raise invalid(error.errors(), served.fields) from None
        except HTTPException as error:
            raise Invalid(
                "The request cannot be understood.", reason=str(error.status_code)
            ) from None

    def _match(self, scope: Scope) -> tuple[_Served, Mapping[str, str]]:
        others: set[str] = set()
        for served in self._served:
            match, found = served.route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return served, scope["path_params"]
            if match is Match.PARTIAL:
                others |= served.route.methods or set()
        if others:
            raise MethodNotAllowed(others)
        raise NotFound("There is nothing at this path. See docs/reference/api.md for the paths.")

    async def _body(self, scope: Scope, receive: Receive, operation: Operation) -> bytes:
        is_strangers = not operation.needs_session and not operation.raw
        body = await read_json_body(
            scope,
            receive,
            timeout_s=self._body_timeout_s,
            bytes_max=OPEN_BODY_BYTES_MAX if is_strangers else API_BODY_BYTES_MAX,
        )
        if operation.raw or not body:
            return body
        content_type = scope[KNOWN].get(b"content-type", b"")
        if content_type.partition(b";")[0].strip().lower() != b"application/json":
            raise UnsupportedMediaType("Send the body as application/json.")
        refuse_ambiguous(body)
        return body


def _serve(operation: Operation) -> _Served:
    _check_guardable(operation)
    route = APIRoute(
        operation.route.path,
        operation.endpoint,
        methods=[operation.route.method],
        name=operation.name,
        operation_id=operation.name,
        status_code=operation.status,
        response_model=Default(None) if operation.shows is None else operation.shows,
        summary=_first_line(operation.endpoint),
        description=operation.endpoint.__doc__ or "",
        tags=[operation.group],
        response_model_exclude_none=False,
    )
    queries = frozenset(each.alias for each in route.dependant.query_params)
    return _Served(operation, route, queries, _fields(route))


def _fields(route: APIRoute) -> tuple[str, ...]:
    """Return what a body of ours may have at its top."""
    body = None if route.body_field is None else route.body_field.field_info.annotation
    return tuple(body.model_fields) if isinstance(body, type) and issubclass(body, Asked) else ()


def _check_guardable(operation: Operation) -> None:
    access, route = operation.access, operation.route
    if not isinstance(access, Permission | Open):
        raise RouteUndeclared(f"{route.method} {route.path} declares no permission.")
    is_tenants = isinstance(access, Permission) and access.plane is Plane.TENANT
    names_one = (f"{{{TENANT_ID}}}" in route.path) + operation.of_caller
    if names_one != is_tenants:
        raise RouteUndeclared(
            f"{route.method} {route.path}: a permission of a tenant and a tenant in the path go "
            "together."
        )
    if operation.key_scope is not None and not operation.of_caller:
        raise RouteUndeclared(f"{route.method} {route.path}: a key is of one tenant, not any.")


def _first_line(endpoint: Callable[..., Any]) -> str:
    return (endpoint.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _check_query(query: bytes, known: frozenset[str]) -> None:
    """Refuse what would be passed over, and what could be read in two ways."""
    if not query:
        return
    try:
        names = [n for n, _ in parse_qsl(query.decode("ascii"), True, errors="strict")]
    except ValueError:
        raise Invalid("The query string is not valid.") from None
    for name in names:
        if name not in known:
            raise Invalid(
                f"There is no query parameter of that name here. Known: {_listed(known)}."
            )
        if names.count(name) > 1:
            raise Invalid("A query parameter stands twice; send it once.", param=name)
    if b"%00" in query:
        raise Invalid("The query string has a character that cannot be stored.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


async def _called(route: APIRoute, scope: Scope, receive: Receive, send: Send) -> None:
    async with AsyncExitStack() as stack:
        scope["fastapi_middleware_astack"] = stack  # where FastAPI puts what a request opens
        await route.app(scope, receive, send)


def _whole(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body which was read already, then what comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


async def _answered(send: Send, line: RequestLine, told: Headers, message: Message) -> None:
    if message["type"] == "http.response.start":
        line.status = message["status"]
        message["headers"] = [*message["headers"], *told]
    await send(message)
