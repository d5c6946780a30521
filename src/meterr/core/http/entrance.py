"""The entrance: what is refused, left out or decided about a request before its route sees it."""

from collections.abc import Sequence

from meterr.core.errors import Invalid
from meterr.core.http.answer_head import ANSWER_HEAD, Audience
from meterr.core.http.asgi import Receive, Scope, Send
from meterr.core.http.client_address import TRUSTED_PROXIES
from meterr.core.http.cors import OriginNotAllowed, preflight
from meterr.core.http.cross_origin import refuse_cross_origin
from meterr.core.http.route import Handler, MethodNotAllowed, Route
from meterr.core.http.target import check_query
from meterr.core.http.web import ACTED_ON, KNOWN, ONLY_ONCE, Web
from meterr.core.telemetry import RequestLine


class Entrance:
    """One for the process. ``look`` comes before the route is known, ``lead`` after."""

    def __init__(self, web: Web) -> None:
        self._hosts = web.hosts
        self._proxies = web.proxies
        self._shares = web.shares
        self._web = web

    def look(self, scope: Scope) -> None:
        """
        Judge what holds for every path, and put the headers that meterr acts on into the scope.

        Raises:
            Invalid: the host is missing or malformed, or a header came twice that may not.
            HostRefused: the request names a host that is not ours.
            QueryTooLong: the query string is longer than any route needs.
        """
        pairs = [pair for pair in scope["headers"] if pair[0] in ACTED_ON]
        known = scope[KNOWN] = dict(pairs)
        if len(known) != len(pairs):
            _refuse_doubled(pairs)
        self._hosts.check(known.get(b"host"), scope["http_version"])
        if scope["query_string"]:
            check_query(scope["query_string"])
        if self._proxies is not None:
            scope[TRUSTED_PROXIES] = self._proxies

    def lead(self, scope: Scope, route: Route) -> Handler:
        """
        Return the route's handler for this request, or the answer to a preflight.

        Raises:
            CrossOrigin: another site made a browser send it, and the route takes cookies.
            OriginNotAllowed: a preflight for an origin that is not in the settings.
            MethodNotAllowed: the route has no handler for the method.
        """
        method: str = scope["method"]
        if route.accepts_cookie:
            self._guard(scope, method)
        elif b"cookie" in scope[KNOWN]:
            _leave_out_cookie(scope)
        if route.audience is Audience.BROWSERS:
            scope[ANSWER_HEAD] = self._web.head(Audience.BROWSERS)
        elif self._shares and route.may_be_shared:
            self.share(scope, route.audience)
            if method == "OPTIONS" and b"access-control-request-method" in scope[KNOWN]:
                return _preflight_of(scope, route)
        handler = route.handlers.get(method)
        if handler is None:
            raise MethodNotAllowed(route.handlers)
        return handler

    def share(self, scope: Scope, audience: Audience) -> None:
        """Let scripts of the request's origin read the answer, if the settings name that origin."""
        origin = scope[KNOWN].get(b"origin")
        if origin is not None and self._shares:
            head = self._web.head(audience, origin)
            if head is not None:
                scope[ANSWER_HEAD] = head

    def _guard(self, scope: Scope, method: str) -> None:
        known = scope[KNOWN]
        refuse_cross_origin(
            method,
            known.get(b"sec-fetch-site"),
            known.get(b"origin"),
            known.get(b"host"),
            self._web.trusted_origins,
        )


def _preflight_of(scope: Scope, route: Route) -> Handler:
    if ANSWER_HEAD not in scope:
        raise OriginNotAllowed(
            "This server does not share answers with pages of the request's origin. Its operator "
            "can add the origin to server.cors_origins."
        )

    async def told(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        line.status = 204
        headers = preflight(route.handlers, route.request_headers)
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return told


def _leave_out_cookie(scope: Scope) -> None:
    """A key is what opens this route; a cookie that came along must not be able to."""
    del scope[KNOWN][b"cookie"]
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"cookie"]


def _refuse_doubled(pairs: Sequence[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in pairs]
    for name in ONLY_ONCE:
        if names.count(name) > 1:
            raise Invalid(f"The request has more than one {name.decode().title()} header.")
