"""Routes: what a path leads to, and what the door must know of it beforehand."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from meterr.core.errors import MeterrError
from meterr.core.http.answer_head import Audience
from meterr.core.http.asgi import Headers, Receive, Scope, Send
from meterr.core.telemetry import RequestLine

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


@dataclass(frozen=True, slots=True)
class Route:
    """
    Handlers by method. ``name`` is what the log calls it: never the caller's path.

    Unless the route ``accepts_cookie``, its handlers never see one. Where it does, a request that
    may change something must come from meterr's own pages, and no other origin may read answers.
    ``any_text`` lets the part of a path below a prefix hold percent-encoded text. What scripts of
    allowed origins may send is in ``request_headers``.
    """

    name: str
    handlers: Mapping[str, Handler]
    audience: Audience = Audience.PROGRAMS
    accepts_cookie: bool = False
    any_text: bool = False
    request_headers: frozenset[str] = frozenset({"authorization", "content-type"})

    @property
    def may_be_shared(self) -> bool:
        """Say whether settings may let scripts of other origins read its answers."""
        return not self.accepts_cookie and self.audience is not Audience.BROWSERS
