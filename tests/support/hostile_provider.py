"""
Providers that speak no HTTP, hang up, are not there, or send headers that nobody may see.

One listener, a script per base path.
"""

import gzip
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
_EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"sixteen letters!"}}]}\n\n'

RETURNED = {
    "x-request-id": "req_1",
    "retry-after": "7",
    "x-ratelimit-remaining-requests": "9",
    "anthropic-ratelimit-tokens-limit": "8",
    "openai-processing-ms": "12",
}
"""Headers of the provider that callers get."""

KEPT_BACK = {
    "set-cookie": "session=1",
    "server": "cloud-edge",
    "x-internal-host": "192.0.2.7",
    "access-control-allow-origin": "*",
    "x-meterr-cost-usd": "0",
    "alt-svc": "h3",
    "location": "http://192.0.2.7/",
}
"""Headers of the provider that they do not get."""

_USAGE = b'{"usage":{"prompt_tokens":1000,"completion_tokens":1}}'


def _talkative() -> bytes:
    # It hangs up after each answer, and says so: else the next call could meet the closing.
    fields = {**RETURNED, **KEPT_BACK, "content-length": str(len(_USAGE)), "connection": "close"}
    return _HEAD + "".join(f"{n}: {v}\r\n" for n, v in fields.items()).encode() + b"\r\n" + _USAGE


_PACKED = gzip.compress(
    b'data: {"choices":[{"index":0,"delta":{"content":"sixteen letters!"}}],'
    b'"usage":{"prompt_tokens":1000,"completion_tokens":1}}\n\n'
)
_PACKED_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(_PACKED)
)

TALKATIVE = "talkative"
SCRIPTS: Mapping[str, bytes] = {
    TALKATIVE: _talkative(),
    "status-999": b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}",
    "status-099": b"HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\n{}",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "control": b"HTTP/1.1 200 OK\r\ncontent-type: a\x01b\r\ncontent-length: 2\r\n\r\n{}",
    "redirect": b"HTTP/1.1 307 There\r\nlocation: http://192.0.2.7/\r\ncontent-length: 0\r\n\r\n",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no-http": b"220 mail.example.org ESMTP ready\r\n",
    "noise": bytes(range(256)) * 4,
    "nothing": b"",
    "mid-chunk": _CHUNKED + b'64\r\n{"id":"x","usage":',
    "mid-event": _EVENTS + b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT) + b"40\r\ndata: {",
    "packed-mid-stream": _PACKED_HEAD + _PACKED,
    "short": _HEAD + b"content-length: 500\r\n\r\n{}",
    "two-lengths": _HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "both-framings": _HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}
"""What each provider sends before it closes the connection."""

ABSENT = "absent"
"""A provider whose port is closed."""


@dataclass(frozen=True)
class HostileProvider:
    """Where they all listen, a port where nobody does, and the heads that were received."""

    port: int
    closed_port: int
    heads: list[dict[str, str]] = field(default_factory=list)

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
            f'models = ["{self.model(script)}"]\ncredential_env = ["TEST_PROVIDER_KEY"]\n\n'
            for script, port in ports.items()
        )


_PRICED = (
    "gpt-4o",
    "gpt-5-pro",
    "gpt-5.1",
    "gpt-5.2",
    "gpt-4",
    "o3",
    "o3-mini",
    "o3-pro",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-4-turbo",
    "gpt-3.5-turbo",
    "o1",
)
_MODELS = dict(zip([*SCRIPTS, ABSENT], _PRICED, strict=True))


class _Listener(socketserver.ThreadingTCPServer):
    heads: list[dict[str, str]]


class _Handler(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        target = self.rfile.readline().split(b" ")[1].decode()
        head: dict[str, str] = {}
        while line := self.rfile.readline().strip(b"\r\n"):
            name, _, value = line.decode().partition(":")
            assert name.lower() not in head
            head[name.lower()] = value.strip()
        self.rfile.read(int(head["content-length"]))
        self.server.heads.append(head)
        with suppress(ConnectionError):
            self.wfile.write(SCRIPTS[target.split("/")[1]])


@contextmanager
def serving() -> Iterator[HostileProvider]:
    """Serve every script on one free port."""
    with (
        _Listener(("127.0.0.1", 0), _Handler) as listener,
        socket.socket() as unheard,
    ):
        unheard.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = cast("tuple[str, int]", listener.server_address)
        provider = HostileProvider(address[1], unheard.getsockname()[1])
        listener.heads = provider.heads
        try:
            yield provider
        finally:
            listener.shutdown()
            thread.join()
