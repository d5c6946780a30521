"""A real ``meterr up`` in a folder of its own: started, watched, asked, stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUESTION_MODEL = "gpt-5-mini"
"""What ``meterr up`` asks its simulator for SQL as; no call of the traffic has it."""

_START_TIMEOUT_S = 80.0
_STOP_TIMEOUT_S = 60.0
_LOOK_S = 0.02
_FOREIGN = re.compile(r"(METERR|OPENAI|ANTHROPIC|KIMI|MOONSHOT)_|.*_PROXY$", re.IGNORECASE)
_READY = re.compile(r"^meterr is ready at (\S+)$", re.MULTILINE)
_KEY = re.compile(r"^ +(sk-meterr_\S+)$", re.MULTILINE)


class DemoFailed(Exception):
    """Something did not happen; the text says what."""


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` without the reader's providers, keys, proxies and meterr settings."""
    kept = {name: value for name, value in environ.items() if not _FOREIGN.match(name)}
    return {**kept, "NO_PROXY": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Running:
    """A ``meterr up`` that was started. It need not be ready."""

    process: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]

    @property
    def data_dir(self) -> Path:
        """Where it keeps everything."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What it and its children say; the terminal is for the story."""
        return self.folder / "meterr.log"

    def until_ready(self) -> tuple[str, str]:
        """Return the gateway's base URL and the first key. Raises DemoFailed."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            said = self.log.read_text("utf-8", "replace")
            if (url := _READY.search(said)) and (key := _KEY.search(said)):
                return url[1], key[1]
            if self.process.poll() is not None:
                break
            time.sleep(_LOOK_S)
        raise DemoFailed("meterr did not start")

    def gateway_pids(self) -> list[int]:
        """Return the process ids of all gateways so far, the running one last."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        started = [each for each in events if each.get("event") == "process_started"]
        return [each["pid"] for each in started if each["where"] == "gateway"]

    def received(self) -> list[dict[str, Any]]:
        """Return the simulator's own log of the calls it received."""
        lines = (self.data_dir / "simulator" / "calls.jsonl").read_text("utf-8").splitlines()
        return [each for each in map(json.loads, lines) if each["event"] == "received"]

    def ask(self, *arguments: str) -> "Answer":
        """Start ``meterr`` with ``arguments`` and ``--json`` on this data directory."""
        return Answer(
            subprocess.Popen(
                [*_meterr(), *arguments, "--json", "--data-dir", str(self.data_dir)],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A command of ``meterr`` at work; several may work at once."""

    process: subprocess.Popen[bytes]

    def read(self) -> tuple[dict[str, Any], str, int]:
        """Wait; return its JSON, what it told the person, and its exit status."""
        out, told = self.process.communicate(timeout=_STOP_TIMEOUT_S)
        said = told.decode("utf-8", "replace").strip()
        if not out:
            raise DemoFailed(f"{self.process.args!r} said: {said}")
        return json.loads(out), said, self.process.returncode


@contextmanager
def started(environ: Mapping[str, str]) -> Iterator[Running]:
    """Start meterr on free ports in a new folder; stop it and remove the folder afterwards."""
    environment = own_environment(environ)
    folder = Path(tempfile.mkdtemp(prefix="meterr-demo-"))
    try:
        folder.chmod(0o711)  # as root, PostgreSQL runs as another user and must pass through
        log = os.open(folder / "meterr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        command = [*_meterr(), "up", "--data-dir", str(folder / "data")]
        with os.fdopen(log, "wb") as output:
            process = subprocess.Popen(
                [*command, "--port", "0", "--simulator-port", "0"],
                cwd=folder,  # a meterr.toml where the reader stands is not ours
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl+C is for the demo, which stops meterr itself
            )
        try:
            yield Running(process, folder, environment)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _meterr() -> list[str]:
    return [sys.executable, "-m", "meterr"]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_TIMEOUT_S)
    finally:
        process.kill()  # its children and PostgreSQL end with it
        process.wait()
