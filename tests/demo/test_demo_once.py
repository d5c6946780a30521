"""``./dev demo`` keeps what it promises, and leaves nothing behind however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 120
_CANARY = "sk-real-provider-canary"


@contextmanager
def demo(*arguments: str, **variables: str) -> "Iterator[subprocess.Popen[str]]":
    """Run the demo as ``./dev demo`` does, with a reader's provider configured; end it at last."""
    environment = {
        **os.environ,
        "OPENAI_API_KEY": _CANARY,
        "METERR_SERVER__PORT": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        **variables,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # what it started dies with it


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory of this test's own that PostgreSQL's user can pass through."""
    with tempfile.TemporaryDirectory(prefix="meterr-test-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def answers(port: int) -> bool:
    """Say whether something listens on ``port``."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def using(place: Path) -> list[int]:
    """Return the processes that have ``place`` among their arguments or as working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(place) in told or where.startswith(str(place)):
            found.append(int(process.name))
    return found


def read_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read its output up to the first line that ``pattern`` is found in."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(f"{pattern!r} never came:\n{said}")


def test_every_proof_holds_and_nothing_is_left(place: Path) -> None:
    """Issue 2, item 11; issue 5, item 8: nothing lost, cost recomputed, answers = the ledger."""
    with demo("--once", TMPDIR=str(place)) as process:
        said, _ = process.communicate(timeout=_TIMEOUT_S)

    assert 0 == process.returncode, said
    assert 6 == len(re.findall(r"^  ok  ", said, re.MULTILINE))
    assert re.search(r"calls the simulator received: (\d+) = \1, .* 0 twice, 0 lost", said)
    assert re.search(r"openai +chat, prompt cache +kimi-k2.6 .* 0\.00358$", said, re.MULTILINE)
    assert re.search(r"interrupted, 0\.\d+ USD, marked as estimated", said)
    assert re.search(r"recomputed cost = stored cost: 12 entries, 0\.\d+ USD, no difference", said)
    assert [] == unfit_for_people(said)
    assert [] == list(place.iterdir())
    assert [] == using(place)


def unfit_for_people(said: str) -> list[str]:
    """Return lines with colour codes, log records, a credential, or too long to read."""
    return [
        line
        for line in said.splitlines()
        if "\x1b" in line or line.strip().startswith("{") or _CANARY in line or len(line) > 120
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_end_stops_everything_and_is_no_failure(place: Path, number: int) -> None:
    """Issue 2, item 11: the gateway stays for the reader to try, until Ctrl+C."""
    with demo(TMPDIR=str(place)) as process:
        said = read_until(process, "Ctrl.C stops everything")
        found = re.search(r"curl http://127\.0\.0\.1:(\d+)/v1/chat/completions", said)
        assert found
        assert answers(int(found[1]))

        process.send_signal(number)
        process.communicate(timeout=_TIMEOUT_S)

    assert 0 == process.returncode
    assert not answers(int(found[1]))
    assert [] == list(place.iterdir())
    assert [] == using(place)


def test_ctrl_c_while_a_library_is_loaded_says_130_too(place: Path, tmp_path: Path) -> None:
    """Python keeps an interrupt of compiled code in mind, and died of it at its end, caught."""
    code = "import time; print('being loaded', flush=True); time.sleep(60)"
    (tmp_path / "anthropic.py").write_text(f"exec({code!r})")
    with demo("--once", TMPDIR=str(place), PYTHONPATH=str(tmp_path)) as process:
        read_until(process, "being loaded")

        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=_TIMEOUT_S)

    assert 130 == process.returncode, said
    assert [] == list(place.iterdir())
    assert [] == using(place)


def test_ctrl_c_in_the_middle_stops_everything_and_says_130(place: Path) -> None:
    """The contract of the command line: 130 is interrupted."""
    with demo("--once", TMPDIR=str(place)) as process:
        read_until(process, "log of all processes")

        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=_TIMEOUT_S)

    assert 130 == process.returncode, said
    assert "Traceback" not in said
    assert [] == list(place.iterdir())
    assert [] == using(place)
