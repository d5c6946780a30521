"""Who is measured: no gateway at all, and nginx as a reverse proxy."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import Cores, descendants
from bench.tools import BenchError, Mock

CHAT = "/v1/chat/completions"
_READY_S = 120.0

NGINX = """\
daemon off;
worker_processes 1;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  upstream mock {{
    server 127.0.0.1:{upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


@dataclass
class Contender:
    """
    Something that answers the load.

    ``pids`` are the processes whose CPU and memory count. ``transparent`` ones pass the mock's
    answers on as they are, so the load generator checks every byte count.
    """

    name: str
    port: int
    pids: Callable[[], list[int]]
    headers: list[str] = field(default_factory=list)
    transparent: bool = True
    ready_s: float | None = None
    version: str = ""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(process: "subprocess.Popen[bytes]", port: int, name: str) -> None:
    """Return once ``port`` accepts; raise BenchError when the process ends or takes too long."""
    give_up = time.monotonic() + _READY_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with exit status {process.returncode} at its start")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise BenchError(f"{name} did not listen within {_READY_S:g} s")


def direct(mock: Mock) -> Contender:
    """Return the mock itself: what is added to it is what a gateway costs."""
    return Contender("direct", mock.port, list)


@contextmanager
def running(
    command: list[str], port: int, name: str, **options: object
) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """Yield a started program that listens on ``port``, and the seconds that this took."""
    started = time.monotonic()
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]  # plain options
    try:
        await_port(process, port, name)
        yield process, time.monotonic() - started
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def nginx(mock: Mock, cores: Cores, folder: Path) -> Iterator[Contender | None]:
    """Yield nginx with one worker and kept-alive upstreams, or None when it is not installed."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
    if found is None:
        yield None
        return
    port = free_port()
    folder.mkdir()
    folder.chmod(0o755)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, upstream=mock.port))
    command = [*cores.pinned(cores.contender), found, "-p", str(folder), "-c", str(configuration)]
    with running(command, port, "nginx") as (process, ready_s):
        asked = subprocess.run([found, "-v"], capture_output=True, text=True, check=False)
        version = asked.stderr.strip().rpartition("/")[2]
        yield Contender(
            "nginx",
            port,
            lambda: sorted(descendants(process.pid)),
            ready_s=ready_s,
            version=version,
        )
