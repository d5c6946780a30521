"""The entrance: what is refused, left out or decided about a request before its route sees it."""

from meterr.core.errors import Invalid
from meterr.core.http.answer_head import ANSWER_HEAD, Audience
from meterr.core.http.asgi import Headers, Receive, Scope, Send
from meterr.core.http.client_address import TRUSTED_PROXIES
from meterr.core.http.cors import OriginNotAllowed, preflight
from meterr.core.http.cross_origin import refuse_cross_origin
from meterr.core.http.route import Handler, MethodNotAllowed, Route
from meterr.core.http.target import check_query
from meterr.core.http.web import ACTED_ON, KNOWN, ONLY_ONCE, Web
from meterr.core.telemetry import RequestLine

_SDKS = Audience.SDKS


class Entrance:
    """One for the process. ``look`` comes before the route is known, ``lead`` after."""

    def __init__(self, web: Web) -> None:
        self._hosts = web.hosts
        self._proxies = web.proxies
        self._accepted = web.hosts.accepted
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
        # First, so that whatever is refused here is reported with the client's address.
        if self._proxies is not None:
            scope[TRUSTED_PROXIES] = self._proxies
        headers = scope["headers"]
        known = {name: value for name, value in headers if name in ACTED_ON}
        scope[KNOWN] = known
        host = known.get(b"host")
        # The last Host that is also the first header is the only one.
        if host is None or headers[0][0] != b"host" or headers[0][1] is not host:
            _refuse_doubled(headers)
        if host not in self._accepted:
            self._hosts.check(host, scope["http_version"])
        if scope["query_string"]:
            check_query(scope["query_string"])

    def lead(self, scope: Scope, route: Route) -> Handler:
        """
        Return the route's handler for this request, or the answer to a preflight.

        Raises:
            CrossOrigin: another site made a browser send it, and the route takes cookies.
            OriginNotAllowed: a preflight for an origin that is not in the settings.
            MethodNotAllowed: the route has no handler for the method.
        """
        if self._shares or route.audience is not _SDKS or b"cookie" in scope[KNOWN]:
            shared = self._prepare(scope, route)
            if shared is not None:
                return shared
        handler = route.handlers.get(scope["method"])
        if handler is None:
            raise MethodNotAllowed(route.handlers)
        return handler

    def _prepare(self, scope: Scope, route: Route) -> Handler | None:
        """Choose the answer's head, deal with cookies and preflights; the usual call needs none."""
        known = scope[KNOWN]
        if b"origin" in known or b"sec-fetch-site" in known:
            _refuse_doubled(scope["headers"])
        if route.audience is not _SDKS:
            scope[ANSWER_HEAD] = self._web.head(route.audience)
        if route.accepts_cookie:
            self._guard(scope)
        elif b"cookie" in known:
            _leave_out_cookie(scope)
        if not (self._shares and route.may_be_shared):
            return None
        is_allowed = self.share(scope, route.audience)
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in known:
            return None
        if not is_allowed:
            raise OriginNotAllowed(
                "This server does not share answers with pages of the request's origin. Its "
                "operator can add the origin to server.cors_origins."
            )
        return _preflight_of(route)

    def share(self, scope: Scope, audience: Audience) -> bool:
        """Let scripts of the request's origin read the answer, if the settings name that origin."""
        origin = scope[KNOWN].get(b"origin")
        head = self._web.head(audience, origin) if origin is not None else None
        if head is None:
            return False
        scope[ANSWER_HEAD] = head
        return True

    def _guard(self, scope: Scope) -> None:
        known = scope[KNOWN]
        refuse_cross_origin(
            scope["method"],
            known.get(b"sec-fetch-site"),
            known.get(b"origin"),
            known.get(b"host"),
            self._web.trusted_origins,
        )


def _preflight_of(route: Route) -> Handler:
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


def _refuse_doubled(headers: Headers) -> None:
    names = [name for name, _ in headers]
    for name in ONLY_ONCE:
        if names.count(name) > 1:
            raise Invalid(f"The request has more than one {name.decode().title()} header.")
