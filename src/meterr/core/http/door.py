"""The door: every request gets an id, a route, an error in its own dialect, and one log line."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from meterr.core.errors import MeterrError, NotFound
from meterr.core.http.asgi import Headers, Receive, Scope, Send, answer
from meterr.core.http.body import ClientGone
from meterr.core.ids import IdFactory
from meterr.core.telemetry import Event, EventLine, Level, RequestLine, Telemetry

Handler = Callable[[Scope, Receive, Send, RequestLine], Awaitable[None]]
Rendered = tuple[Headers, bytes]
Renderer = Callable[[Scope, MeterrError, str], Rendered]
"""Turns (scope, error, request id) into the headers and body of an error answer."""


class MethodNotAllowed(MeterrError):
    """The path exists, but not for this method."""

    code: ClassVar[str] = "method-not-allowed"
    status: ClassVar[int] = 405
    title: ClassVar[str] = "Method not allowed"

    def __init__(self, methods: Iterable[str]) -> None:
        self.allow = ", ".join(sorted(methods))
        super().__init__(f"This path takes {self.allow} only.")


class Internal(MeterrError):
    """A fault of meterr; the log has the reason under the request id."""


@dataclass(frozen=True, slots=True)
class Route:
    """One handler. ``name`` is what the log calls it: never the caller's path."""

    name: str
    handlers: Mapping[str, Handler]  # by method


class Door:
    """
    The one ASGI application.

    ``exact`` and ``below`` map a path, or a prefix ending in a slash, to its route. A route is
    chosen by the path that the server parsed, never by anything a header says.
    """

    def __init__(
        self,
        *,
        exact: Mapping[str, Route],
        below: Mapping[str, Route],
        render: Renderer,
        ids: IdFactory,
        telemetry: Telemetry,
        log_from_status: int,
    ) -> None:
        self._exact = exact
        self._below = below
        self._render = render
        self._ids = ids
        self._telemetry = telemetry
        self._log_from_status = log_from_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        method: str = scope["method"]
        line = RequestLine(
            request_id=self._ids.new(), method=method, route="unknown", status=0, duration_ms=0
        )
        try:
            await self._handler(scope["path"], method, line)(scope, receive, send, line)
        except ClientGone:
            line.outcome = "client_gone"
        except MeterrError as error:
            await self._refuse(scope, send, line, error)
        # The error boundary: the caller gets an answer that says nothing but the request's id.
        except Exception as error:  # noqa: BLE001
            self._report(error, line.request_id)
            await self._refuse(scope, send, line, Internal(_SORRY))
        finally:
            if line.status >= self._log_from_status:
                line.duration_ms = round((time.perf_counter() - started) * 1000, 3)
                self._telemetry.request(line)

    def _handler(self, path: str, method: str, line: RequestLine) -> Handler:
        route = self._exact.get(path) or self._route_below(path)
        if route is None:
            raise NotFound(
                "There is nothing at this path. See docs/reference/api.md for the paths."
            )
        line.route = route.name
        handler = route.handlers.get(method)
        if handler is None:
            raise MethodNotAllowed(route.handlers)
        return handler

    def _route_below(self, path: str) -> Route | None:
        for prefix, route in self._below.items():
            if path.startswith(prefix) and len(path) > len(prefix):
                return route
        return None

    async def _refuse(
        self, scope: Scope, send: Send, line: RequestLine, error: MeterrError
    ) -> None:
        line.error_code = error.code
        line.reason = error.reason
        line.status = error.status
        headers, body = self._render(scope, error, line.request_id)
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allow.encode()))
        await answer(send, error.status, headers, body)

    def _report(self, error: Exception, request_id: str) -> None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else ""
        self._telemetry.event(
            Level.ERROR,
            EventLine(
                event=Event.UNEXPECTED_ERROR,
                error_type=type(error).__name__,
                where=where,
                request_id=request_id,
            ),
        )


_SORRY = "meterr could not handle this request. Report the request id to its operator."
