"""meterr as an operator runs it: `meterr up` on its own data directory, everything switched on."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bench.contenders import Contender
from bench.machine import Cores, age_of_boot_clock, pin
from bench.tools import BenchError, Mock
from meterr import __version__

CONFIGURATION = """\
[server]
api_requests_per_minute = 1000000

[upstreams.mock]
provider = "openai"
openai_base_url = "http://127.0.0.1:{port}/v1"
models = ["gpt-*"]
"""
_Found = TypeVar("_Found")
_KEY = re.compile(r"sk-meterr_(?:live|test)_[0-9A-Za-z]{32}")
_BASE_URL = re.compile(r"meterr is ready at http://127\.0\.0\.1:(\d+)")
_START_S = 120.0
_STOP_S = 90.0
_LOOK_S = 0.005
# Settings and credentials of whoever measures must not change what is measured.
_FOREIGN = ("METERR_", "OPENAI_", "ANTHROPIC_", "KIMI_", "MOONSHOT_")


@dataclass(frozen=True)
class GatewayStart:
    """A gateway child that came up."""

    pid: int
    ready_s: float  # from its start to its word that it serves


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a directory that a database server which is not root can reach, and remove it."""
    with tempfile.TemporaryDirectory(prefix="meterr-bench-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


class Meterr:
    """
    One deployment.

    Its gateway process runs on the contender's core; its parent, which drains the journal, and
    PostgreSQL run on the load's core. Request logs go to a file, as a service manager has it.
    Several ``workers`` all run on the contender's core.
    """

    def __init__(self, mock: Mock, cores: Cores, folder: Path, *, workers: int = 1) -> None:
        self._mock = mock
        self._cores = cores
        self._workers = workers
        self.data_dir = folder / "data"
        self._log = folder / "stderr"
        self._config = folder / "meterr.toml"
        self._config.write_text(CONFIGURATION.format(port=mock.port))
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""
        self.port = 0
        self.gateway: GatewayStart | None = None
        self.asked = 0  # calls of ours that the mock has seen, over all runs

    @property
    def dsn(self) -> str:
        """The running deployment's own database."""
        return (self.data_dir / "database-url").read_text().strip()

    @property
    def journal(self) -> Path:
        return self.data_dir / "journal"

    def start(self) -> float:
        """Start and return the seconds from the command to the gateway's word that it serves."""
        self._log.write_bytes(b"")
        started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), "up", "--port", "0", *self._options(), *self._many()],
                stderr=log,
                stdout=subprocess.DEVNULL,
                cwd=self._config.parent,
                env=_environment(),
            )
        address = self._await(0, _BASE_URL.search)
        ready_s = time.monotonic() - started
        self.port = int(address.group(1))
        text = self._log.read_text()
        key = _KEY.search(text)
        self.key = key.group() if key else self.key
        self._adopt(_started_line(text))
        return ready_s

    def stop(self) -> None:
        """Stop as a person would, by Ctrl+C."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart_gateway(self) -> GatewayStart:
        """Kill the gateway process with -9 and return the one that the parent starts instead."""
        seen = self._log.stat().st_size
        os.kill(self._running().pid, signal.SIGKILL)
        self._adopt(self._await(seen, _started_line))
        return self._running()

    def command(self, *arguments: str) -> str:
        """Run one of meterr's commands on this deployment and return what it prints."""
        ended = subprocess.run(
            [*self._command(), *arguments, *self._options()],
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        if ended.returncode:
            raise BenchError(f"meterr {' '.join(arguments)}: {ended.stderr.strip()}")
        return ended.stdout

    def contender(self) -> Contender:
        """Return the gateway process as it is now."""
        headers = [f"authorization: Bearer {self.key}"]
        running = self._running
        return Contender("meterr", self.port, lambda: [running().pid], headers, version=__version__)

    def _running(self) -> GatewayStart:
        if self.gateway is None:
            raise BenchError("meterr's gateway process is not running")
        return self.gateway

    def _adopt(self, line: dict[str, object] | None) -> None:
        if line is None:
            raise BenchError("meterr said that it is ready but not in which process")
        pid = int(str(line["pid"]))
        said_at = datetime.fromisoformat(str(line["timestamp"])).timestamp()
        boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        self.gateway = GatewayStart(pid, said_at - boot - age_of_boot_clock(pid))
        pin(pid, self._cores.contender)

    def _await(self, seen: int, found: Callable[[str], _Found | None]) -> _Found:
        give_up = time.monotonic() + _START_S
        while time.monotonic() < give_up:
            with self._log.open("rb") as log:
                log.seek(seen)
                result = found(log.read().decode(errors="replace"))
            if result is not None:
                return result
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(_LOOK_S)
        raise BenchError(f"meterr did not come up:\n{self._log.read_text()[-2000:]}")

    def _command(self) -> list[str]:
        return [*self._cores.pinned(self._cores.load), sys.executable, "-m", "meterr"]

    def gateway_pids(self) -> list[int]:
        """Return the gateway processes that the last start made, and move them to their core."""
        pids = [int(str(line["pid"])) for line in _started_lines(self._log.read_text())]
        for pid in pids:
            pin(pid, self._cores.contender)
        return pids

    def _many(self) -> list[str]:
        return [] if self._workers == 1 else ["--workers", str(self._workers)]

    def _options(self) -> list[str]:
        return ["--config", str(self._config), "--data-dir", str(self.data_dir)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def _started_lines(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        if '"process_started"' in line and line.endswith("}"):
            event: dict[str, object] = json.loads(line)
            if event.get("where") == "gateway":
                yield event


def _started_line(text: str) -> dict[str, object] | None:
    return next(_started_lines(text), None)


@contextmanager
def meterr(mock: Mock, cores: Cores) -> Iterator[Meterr]:
    """Yield a running deployment with an empty ledger."""
    with open_folder() as folder:
        running = Meterr(mock, cores, folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
