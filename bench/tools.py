"""The two C programs: compiled on demand, started, asked."""

import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")


class BenchError(Exception):
    """Something could not run or an answer was wrong; the text says what to do."""


def compiler() -> str | None:
    """Return the C compiler of this machine, if it has one."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def program(name: str) -> Path:
    """Return ``name``.c compiled; compiles again only when the sources or flags have changed."""
    sources = (HERE / f"{name}.c", HERE / "http.h")
    text = b"".join(source.read_bytes() for source in sources) + " ".join(FLAGS).encode()
    target = BUILD / f"{name}-{hashlib.sha256(text).hexdigest()[:16]}"
    if target.exists():
        return target
    cc = compiler()
    if cc is None:
        raise BenchError("A C compiler is needed: apt install gcc")
    BUILD.mkdir(exist_ok=True)
    draft = target.with_suffix(".new")
    compiled = subprocess.run(
        [cc, *FLAGS, "-o", draft, sources[0]], capture_output=True, text=True, check=False
    )
    if compiled.returncode:
        raise BenchError(f"{name}.c does not compile:\n{compiled.stderr}")
    draft.rename(target)
    return target


@dataclass(frozen=True)
class Counts:
    """What the mock was asked for. ``finished`` is less than ``requests`` while answers are due."""

    requests: int
    streams: int
    finished: int
    bytes: int  # of a whole answer's body


class Mock:
    """The upstream. Leave the block to stop it."""

    def __init__(self, prefix: Sequence[str] = (), *options: str) -> None:
        self._process = subprocess.Popen(
            [*prefix, program("mock"), *options], stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout is None:
            raise BenchError("the mock has no output")
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def counts(self) -> Counts:
        return Counts(**self._get("/_count"))

    def answer_like(self, *, delay_ms: int, pace_ms: int) -> None:
        """Set how long whole answers wait and streams last from now on."""
        self._get(f"/_set?delay_ms={delay_ms}&pace_ms={pace_ms}")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Traffic:
    """
    One request, many times.

    ``rate`` per second makes an open loop, 0 a closed one. ``limit`` ends it after that many
    requests, whatever ``seconds`` say. ``events`` and ``answer_bytes`` are what a right answer has
    (0: not looked at, because the contender writes answers of its own).
    """

    body: Path
    connections: int
    seconds: float
    warm_s: float = 0.5
    rate: float = 0
    limit: int = 0
    events: int = 0
    answer_bytes: int = 0


@dataclass(frozen=True)
class Load:
    """What came of it; latencies in microseconds, over ``measured`` answers."""

    complete: int
    measured: int
    seconds: float
    rps: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    busy: float  # share of its core that the load generator itself took
    errors: dict[str, int]
    first_wrong: str

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


def run_load(
    prefix: Sequence[str], port: int, path: str, headers: Sequence[str], traffic: Traffic
) -> Load:
    """Run the load generator to its end."""
    command = [*prefix, str(program("load")), "-p", str(port), "-u", path, "-b", str(traffic.body)]
    command += ["-c", str(traffic.connections), "-t", str(traffic.seconds)]
    command += ["-w", str(traffic.warm_s), "-r", str(traffic.rate), "-n", str(traffic.limit)]
    command += ["-e", str(traffic.events), "-l", str(traffic.answer_bytes)]
    for header in headers:
        command += ["-h", header]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchError(f"the load generator stopped: {ended.stderr.strip()}")
    return Load(**json.loads(ended.stdout))
