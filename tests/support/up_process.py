"""A ``meterr up`` as a person starts it, watched from outside."""

import json
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

_PATIENCE_S = 90
_READY = re.compile(r"^meterr is ready at (\S+)$", re.MULTILINE)
_KEY = re.compile(r"^ +(sk-meterr_\S+)$", re.MULTILINE)


def environment(**variables: str) -> dict[str, str]:
    """Return an environment without any meterr setting or provider of the machine."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for ``happened``; fail with ``what`` when it never does."""
    given_up = threading.Event()
    timer = threading.Timer(_PATIENCE_S, given_up.set)
    timer.start()
    try:
        while not happened():
            assert not given_up.wait(0.02), what
    finally:
        timer.cancel()


@dataclass
class Up:
    """One run of ``meterr up``; its output is in files, so that nothing here can block it."""

    popen: Popen[bytes]
    folder: Path

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    @property
    def url(self) -> str:
        """Wait until it is ready; return where."""
        until(lambda: bool(_READY.search(self.stderr)) or self.ended, self.stderr)
        found = _READY.search(self.stderr)
        assert found, self.stderr
        return found[1]

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    @property
    def keys(self) -> list[str]:
        """Every key that it printed on a line of its own."""
        return _KEY.findall(self.stderr)

    @property
    def children(self) -> list[int]:
        """Process ids of gateway and simulator, as its log names them."""
        lines = [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]
        return [line["pid"] for line in lines if line.get("event") == "process_started"]

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Return its exit status."""
        return self.popen.wait(_PATIENCE_S)


@contextmanager
def up(
    data_dir: Path,
    output: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    program: Sequence[str | Path] = (sys.executable, "-m", "meterr"),
) -> Iterator[Up]:
    """Start ``meterr up`` on free ports with its output below ``output``; end it with the block."""
    output.mkdir(parents=True)
    arguments = ["--data-dir", str(data_dir), "--port", "0", "--simulator-port", "0", *options]
    with (output / "stdout").open("wb") as out, (output / "stderr").open("wb") as err:
        popen = Popen(
            [*program, "up", *arguments],
            cwd=output,
            env=dict(env or environment()),
            stdin=DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    run = Up(popen, output)
    try:
        yield run
    finally:
        if not run.ended:
            run.send(signal.SIGTERM)
        try:
            run.wait()
        finally:
            popen.kill()
            popen.wait()


def call(url: str, key: str, **steering: Any) -> tuple[int, dict[str, Any]]:
    """Make one chat call with nothing but HTTP; return status and answer."""
    body = {
        "model": "gpt-5.4",
        "messages": [{"role": "user", "content": "Hello"}],
        "metadata": {"simulate": steering},
    }
    request = urllib.request.Request(  # noqa: S310 - our own gateway
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def postgres_pid(data_dir: Path) -> int:
    """Return the process id of the embedded server that serves ``data_dir``."""
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def is_alive(pid: int) -> bool:
    """Say whether a process exists and is not only waiting to be collected."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it ended in between, or this system has no /proc
        return not Path("/proc/self").exists()
    return state != "Z"
