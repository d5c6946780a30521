"""The simulator on a real socket: in a thread of ours, or as a process that may be killed."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from meterr import simulator

KEY = "sk-provider-0123456789"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Wire:
    """Where a simulator listens."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Send one request on a connection of its own.

        ``body`` is bytes as they are, an iterator of chunks, or a value to send as JSON.
        """
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            data = body if isinstance(body, bytes | Iterator | None) else json.dumps(body).encode()
            connection.request(method, path, data, dict(headers or {}))
            # Closed by itself: the connection lets go of an answer that says it is the last one.
            with connection.getresponse() as answer:
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, headers, answer.read())

    def openai(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST to the OpenAI side with a credential."""
        return self.send(
            "POST", f"/v1/{path}", body, {"authorization": f"Bearer {KEY}", **(headers or {})}
        )

    def anthropic(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST to the Anthropic side with a credential."""
        own = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        return self.send("POST", f"/v1/{path}", body, {**own, **(headers or {})})

    @staticmethod
    def events_of(answer: Answer) -> list[dict[str, Any]]:
        """Return the decoded events of a stream, without ``[DONE]``."""
        data = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: ")]
        return [json.loads(line) for line in data if line != b"[DONE]"]

    def raw(self, path: str, body: Any, *, headers: str = "") -> socket.socket:
        """Send a POST to the OpenAI side and return the open socket, nothing of the answer read."""
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: simulator\r\nauthorization: Bearer {KEY}\r\n{headers}"
        )
        return sent_to(self.port, f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """Return what GET /_simulator/calls says."""
        return self.send("GET", f"/_simulator/calls?after={after}&limit=100000").json()


def sent_to(port: int, data: bytes) -> socket.socket:
    """Connect to the loopback and send; return the open socket, closed if that fails."""
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        connection.sendall(data)
        stack.pop_all()
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return everything until the peer closes, and close."""
    parts: list[bytes] = []
    with connection:
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def listening_socket() -> socket.socket:
    """Return a listening TCP socket on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.set_inheritable(True)
    return listener


def _server(log_path: Path | None, **settings: Any) -> uvicorn.Server:
    app = simulator.create_app(log_path, **settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="critical",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


@contextmanager
def in_thread(log_path: Path | None = None, **settings: Any) -> Iterator[Wire]:
    """Run a simulator in a thread of this process."""
    listener = listening_socket()
    server = _server(log_path, **settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Wire(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class SimulatorProcess:
    """A simulator in a process of its own; ``port`` stays the same when it is started again."""

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._listener = listening_socket()
        self._process: subprocess.Popen[bytes] | None = None
        self.wire = Wire(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start it; connections queue in the kernel until it accepts them."""
        number = self._listener.fileno()
        command = [sys.executable, str(Path(__file__)), str(self._log_path), str(number)]
        self._process = subprocess.Popen(command, pass_fds=[number])

    def kill(self) -> None:
        """``kill -9`` this process and wait until it is gone."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Kill what still runs and give the port back."""
        self.kill()
        self._listener.close()


def main() -> None:
    log_path, number = sys.argv[1:]
    with socket.socket(fileno=int(number)) as listener:
        _server(Path(log_path)).run(sockets=[listener])


if __name__ == "__main__":
    main()
