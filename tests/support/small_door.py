"""A door with a few routes of its own on a real socket: quick enough for whole matrices."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from meterr.app.http_server import _protocol
from meterr.core.clock import SystemClock
from meterr.core.http.answer_head import Audience
from meterr.core.http.asgi import Receive, Scope, Send, answer
from meterr.core.http.body import read_body
from meterr.core.http.client_address import client_address
from meterr.core.http.connection import Connection
from meterr.core.http.door import Door
from meterr.core.http.json_body import read_json_body
from meterr.core.http.problem import render as render_problem
from meterr.core.http.route import Rendered, Route
from meterr.core.http.settings import ServerSettings
from meterr.core.http.web import Web
from meterr.core.ids import IdFactory
from meterr.core.telemetry import RequestLine, Telemetry
from support.simulator import listening_socket, read_to_end

SDK, SDK_TREE, STREAM, BROKEN = "/v1/call", "/v1/models/", "/v1/stream", "/v1/broken"
API, SESSION, SESSION_TREE = "/api", "/console", "/mounted/"
PAGE, STUBBORN, DOCUMENT = "/page", "/stubborn", "/document"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
STUBBORN_HEADERS = [
    (b"content-security-policy", b"default-src *"),
    (b"cache-control", b"public"),
    (b"server", b"uvicorn/1.2.3"),
    (b"x-frame-options", b"ALLOWALL"),
    (b"access-control-allow-origin", b"*"),
    (b"strict-transport-security", b"max-age=0"),
]


@dataclass
class Told:
    """One answer; ``fields`` has every line, so that a header sent twice is seen twice."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of one header."""
        return [value for found, value in self.fields if found == name]

    def one(self, name: str) -> str:
        """Return the value of a header that is there exactly once."""
        (value,) = self.all(name)
        return value

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class SmallDoor:
    """The running door, and what its handlers saw."""

    port: int
    seen: list[Scope] = field(default_factory=list)

    def raw(self, sent: bytes) -> bytes:
        """Send bytes on a new connection; return all that comes until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(sent)
            return read_to_end(connection)

    def ask(
        self,
        method: str,
        target: str,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Told:
        """Make one request; ``host`` and what frames the body are added."""
        sent = {"host": f"localhost:{self.port}", **(fields or {}), "connection": "close"}
        if body:
            sent["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return told(self.raw(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body))


def told(received: bytes) -> Told:
    """Return the one answer in ``received``."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)]
    return Told(int(status.split(" ")[1]), fields, body)


def _routes(seen: list[Scope]) -> tuple[dict[str, Route], dict[str, Route]]:
    async def plain(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        seen.append(scope)
        line.status = 200
        await read_body(scope, receive, bytes_max=1024, timeout_s=5)
        what = {"path": scope["path"], "client": str(client_address(scope))}
        await answer(send, 200, [(b"content-type", b"application/json")], json.dumps(what).encode())

    async def document(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        line.status = 200
        await answer(send, 200, [], b"%d" % len(await read_json_body(scope, receive, timeout_s=5)))

    async def page(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        seen.append(scope)
        line.status = 200
        html = b"<!doctype html><title>meterr</title><script src=/page.js></script>"
        await answer(send, 200, [(b"content-type", b"text/html; charset=utf-8")], html)

    async def stream(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        line.status = 200
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async def broken(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        raise ZeroDivisionError

    async def stubborn(scope: Scope, receive: Receive, send: Send, line: RequestLine) -> None:
        line.status = 200
        await answer(send, 200, list(STUBBORN_HEADERS), b"")

    each = dict.fromkeys((*UNSAFE, "GET", "HEAD"), plain)
    exact = {
        SDK: Route("sdk", {"POST": plain}, Audience.SDKS, request_headers=frozenset({"x-api-key"})),
        STREAM: Route("stream", {"GET": stream}, Audience.SDKS),
        BROKEN: Route("broken", {"GET": broken}, Audience.SDKS),
        API: Route("api", each),
        DOCUMENT: Route("document", {"POST": document}),
        STUBBORN: Route("stubborn", {"GET": stubborn}),
        SESSION: Route("session", {**each, "OPTIONS": plain}, accepts_cookie=True),
        PAGE: Route("page", {"GET": page}, Audience.BROWSERS, accepts_cookie=True),
    }
    below = {
        SDK_TREE: Route("tree", {"GET": plain}, Audience.SDKS, any_text=True),
        SESSION_TREE: Route("session tree", each, accepts_cookie=True),
    }
    return exact, below


def _dialect(scope: Scope, error: Any, request_id: str) -> Rendered:
    headers, body = render_problem(scope, error, request_id)
    return [(b"content-type", b"application/json"), *headers[1:]], body


@contextmanager
def open_door(**settings: Any) -> Iterator[SmallDoor]:
    """Serve a door with these settings of ``server`` until the block ends."""
    given = ServerSettings(**settings)
    web = Web(given)
    clock = SystemClock()
    seen: list[Scope] = []
    exact, below = _routes(seen)
    door: Any = Door(
        exact=exact,
        below=below,
        web=web,
        dialect=_dialect,
        ids=IdFactory(clock),
        telemetry=Telemetry(clock),
        log_from_status=1000,
    )
    with serving(door, _protocol(given, web.usual_head)) as port:
        yield SmallDoor(port, seen)


@contextmanager
def serving(application: Any, protocol: type[Connection]) -> Iterator[int]:
    """Serve an ASGI application on a port of its own until the block ends; yield the port."""
    listener = listening_socket()
    config = uvicorn.Config(
        application,
        http=protocol,
        lifespan="off",
        ws="none",
        log_config=None,
        proxy_headers=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
