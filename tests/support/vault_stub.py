"""Vault's HTTP interface as far as hvac needs it: key-value version 2, tokens, AppRole."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hvs.stub-token-canary-0123456789"


@dataclass
class Asked:
    """One request that the stub received."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class VaultStub:
    """What it holds and how it behaves; a test changes both while it runs."""

    port: int = 0
    secrets: dict[str, tuple[dict[str, Any], int]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    role: tuple[str, str] | None = None
    deleted: set[str] = field(default_factory=set)
    answer: tuple[int, dict[str, str], bytes] | None = None  # instead of everything else
    asked: list[Asked] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def respond(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Answer as Vault 1.20 does."""
        if path == "/v1/auth/approle/login" and method == "POST":
            said = json.loads(body)
            if self.role != (said.get("role_id"), said.get("secret_id")):
                return 400, {"errors": ["invalid role or secret ID"]}
            return 200, {"auth": {"client_token": TOKEN, "lease_duration": 60, "renewable": True}}
        if token not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        place = path.removeprefix("/v1/")
        if place in self.deleted:
            metadata = {"version": 2, "deletion_time": "2026-11-01T00:00:00Z"}
            return 404, {"data": {"data": None, "metadata": metadata}}
        if place not in self.secrets:
            return 404, {"errors": []}
        fields, version = self.secrets[place]
        metadata = {"version": version, "deletion_time": "", "destroyed": False}
        return 200, {"data": {"data": fields, "metadata": metadata}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        stub = self.server.stub
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        stub.asked.append(Asked(self.command, path, headers))
        if stub.answer is not None:
            status, more, data = stub.answer
        else:
            status, said = stub.respond(self.command, path, headers.get("x-vault-token", ""), body)
            more, data = {"Content-Type": "application/json"}, json.dumps(said).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stub: VaultStub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub


@contextmanager
def vault() -> Iterator[VaultStub]:
    """Run a stub on a free port; after the block nobody listens there."""
    stub = VaultStub()
    with _Server(stub) as server:
        stub.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
