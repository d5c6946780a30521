"""Providers that speak no HTTP, hang up or are not there: one listener, a script per base path."""

import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
_EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"sixteen letters!"}}]}\n\n'

SCRIPTS: Mapping[str, bytes] = {
    "no-http": b"220 mail.example.org ESMTP ready\r\n",
    "noise": bytes(range(256)) * 4,
    "nothing": b"",
    "mid-chunk": _CHUNKED + b'64\r\n{"id":"x","usage":',
    "mid-event": _EVENTS + b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT) + b"40\r\ndata: {",
    "short": _HEAD + b"content-length: 500\r\n\r\n{}",
    "two-lengths": _HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "both-framings": _HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}
"""What each provider sends before it closes the connection."""

ABSENT = "absent"
"""A provider whose port is closed."""


@dataclass(frozen=True)
class HostileProvider:
    """Where they all listen, and a port where nobody does."""

    port: int
    closed_port: int

    @staticmethod
    def model(script: str) -> str:
        """Return the model that ``script`` serves: each needs a known price."""
        return _MODELS[script]

    def upstreams(self) -> str:
        """Return the configuration that serves every script under a model of its own."""
        ports = dict.fromkeys(SCRIPTS, self.port) | {ABSENT: self.closed_port}
        return "".join(
            f'[upstreams.{script}]\nprovider = "openai"\n'
            f'openai_base_url = "http://127.0.0.1:{port}/{script}/v1"\n'
            f'models = ["{self.model(script)}"]\n\n'
            for script, port in ports.items()
        )


_PRICED = (
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-4-turbo",
    "gpt-3.5-turbo",
)
_MODELS = dict(zip([*SCRIPTS, ABSENT], _PRICED, strict=True))


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        target = self.rfile.readline().split(b" ")[1].decode()
        length = 0
        while (line := self.rfile.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.rfile.read(length)
        with suppress(ConnectionError):
            self.wfile.write(SCRIPTS[target.split("/")[1]])


@contextmanager
def serving() -> Iterator[HostileProvider]:
    """Serve every script on one free port."""
    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as listener,
        socket.socket() as unheard,
    ):
        unheard.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = cast("tuple[str, int]", listener.server_address)
        yield HostileProvider(address[1], unheard.getsockname()[1])
        listener.shutdown()
        thread.join()
