"""The door: every request gets an id, a route, an error it can read, and one log line."""

import time
from collections.abc import Callable, Mapping

from meterr.core.errors import MeterrError, NotFound
from meterr.core.http import problem
from meterr.core.http.answer_head import Audience
from meterr.core.http.asgi import ERROR_HEADERS, Receive, Scope, Send, answer
from meterr.core.http.body import ClientGone
from meterr.core.http.entrance import Entrance
from meterr.core.http.route import Handler, MethodNotAllowed, Renderer, Route
from meterr.core.http.target import is_parameter
from meterr.core.http.web import Web
from meterr.core.ids import IdFactory
from meterr.core.telemetry import Event, EventLine, Level, RequestLine, Telemetry

Report = Callable[[Scope, RequestLine, Exception], None]


class Internal(MeterrError):
    """A fault of meterr; the log has the reason under the request id."""


class Door:
    """
    The one ASGI application.

    ``exact`` and ``below`` map a path, or a prefix ending in a slash, to its route. A route is
    chosen by the path as it was sent, byte for byte, never by anything a header says. ``dialect``
    renders errors for SDKs, also for a path without a route whose first segment is one of theirs.
    ``report`` hears of every refusal and failure, before the answer; it neither waits nor raises.
    """

    def __init__(
        self,
        *,
        exact: Mapping[str, Route],
        below: Mapping[str, Route],
        web: Web,
        dialect: Renderer,
        ids: IdFactory,
        telemetry: Telemetry,
        log_from_status: int,
        report: Report | None = None,
    ) -> None:
        self._exact = {path.encode(): route for path, route in exact.items()}
        self._below = {prefix.encode(): route for prefix, route in below.items()}
        self._refuse_overlap()
        self._entrance = Entrance(web)
        self._dialect = dialect
        self._sdk_segments = {
            _first_segment(path.encode())
            for path, route in (*exact.items(), *below.items())
            if route.audience is Audience.SDKS and path != "/"
        }
        self._ids = ids
        self._telemetry = telemetry
        self._log_from_status = log_from_status
        self._tell = report or _unheard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        line = RequestLine(
            request_id=self._ids.new(),
            method=scope["method"],
            route="unknown",
            status=0,
            duration_ms=0,
        )
        try:
            await self._handler(scope, line)(scope, receive, send, line)
        except ClientGone:
            line.outcome = "client_gone"
        except MeterrError as error:
            self._tell(scope, line, error)
            await self._refuse(scope, send, line, error)
        # The error boundary: the caller gets an answer that says nothing but the request's id.
        except Exception as error:  # noqa: BLE001
            self._tell(scope, line, error)
            self._report(error, line.request_id)
            await self._refuse(scope, send, line, Internal(_SORRY))
        finally:
            if line.status >= self._log_from_status:
                line.duration_ms = round((time.perf_counter() - started) * 1000, 3)
                self._telemetry.request(line)

    def _refuse_overlap(self) -> None:
        """Of two prefixes that fit, the order of a mapping would decide who may do what."""
        for prefix in self._below:
            if any(other != prefix and prefix.startswith(other) for other in self._below):
                raise ValueError(f"two routes take what is below {prefix.decode()}")

    def _handler(self, scope: Scope, line: RequestLine) -> Handler:
        self._entrance.look(scope)
        route = self._route(scope["raw_path"])
        if route is None:
            self._entrance.share(scope, self._audience_of(scope))
            raise NotFound(
                "There is nothing at this path. See docs/reference/api.md for the paths."
            )
        line.route = route.name
        return self._entrance.lead(scope, route)

    def _route(self, path: bytes) -> Route | None:
        return self._exact.get(path) or self._route_below(path)

    def _route_below(self, path: bytes) -> Route | None:
        for prefix, route in self._below.items():
            if path.startswith(prefix):
                is_whole = is_parameter(path[len(prefix) :], any_text=route.any_text)
                return route if is_whole else None
        return None

    def _audience_of(self, scope: Scope) -> Audience:
        path: bytes = scope["raw_path"]
        route = self._route(path)
        if route is not None:
            return route.audience
        is_sdk = _first_segment(path) in self._sdk_segments
        return Audience.SDKS if is_sdk else Audience.PROGRAMS

    async def _refuse(
        self, scope: Scope, send: Send, line: RequestLine, error: MeterrError
    ) -> None:
        line.error_code = error.code
        line.reason = error.reason
        line.status = error.status
        is_sdk = self._audience_of(scope) is Audience.SDKS
        render = self._dialect if is_sdk else problem.render
        headers, body = render(scope, error, line.request_id)
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", error.allow.encode()))
        headers += scope.get(ERROR_HEADERS, ())
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


def _unheard(scope: Scope, line: RequestLine, error: Exception) -> None:
    """Tell nobody."""


def _first_segment(path: bytes) -> bytes:
    return path[1:].partition(b"/")[0]


_SORRY = "meterr could not handle this request. Report the request id to its operator."
