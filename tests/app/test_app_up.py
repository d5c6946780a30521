"""``meterr up``: from an empty folder to a working key, and back to nothing running."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.up_process import Up, call, environment, is_alive, postgres_pid, until, up

_FAILED, _USAGE = 1, 2
_STOPPED = "Stopped. Everything that was recorded is in the database or the journal."


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def everything(run: Up, data_dir: Path) -> list[int]:
    """Return the process ids of a ready deployment: parent, children, PostgreSQL."""
    pids = [run.popen.pid, *run.children, postgres_pid(data_dir)]
    assert 4 == len(pids)
    assert all(map(is_alive, pids))
    return pids


def meterr(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the same data directory."""
    return subprocess.run(
        [sys.executable, "-m", "meterr", *arguments, "--data-dir", str(data_dir)],
        env=environment(),
        cwd=data_dir,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def entries(data_dir: Path) -> list[str]:
    """Return the ids of all entries in the ledger of a running deployment, oldest first."""
    found = meterr(data_dir, "logs", "--json")
    return [each["id"] for each in json.loads(found.stdout)["items"]][::-1]


def refused(run: Up, status: int = _USAGE) -> str:
    """Wait for the end of a start that cannot succeed; return its one line."""
    assert status == run.wait()
    assert "" == run.stdout
    (line,) = [each for each in run.stderr.splitlines() if each.startswith("meterr: ")]
    assert "Traceback" not in run.stderr
    return line


def test_the_first_start_prints_a_key_once_and_the_second_none(
    data_root: Path, tmp_path: Path
) -> None:
    """Issue 2, item 10: first tenant and key printed once; the key works after a restart."""
    with up(data_root, tmp_path / "1") as run:
        status, answer = call(run.url, run.keys[0])
        assert (200, "You said: Hello") == (status, answer["choices"][0]["message"]["content"])
        (key,) = run.keys
        run.send(signal.SIGINT)
        assert 0 == run.wait()
        assert "" == run.stdout

    with up(data_root, tmp_path / "2") as run:
        assert 200 == call(run.url, key)[0]
        assert [] == run.keys
        assert key not in run.stderr
        until(lambda: len(entries(data_root)) == 2, "two entries")


def test_what_it_prints_can_be_pasted(data_root: Path, tmp_path: Path) -> None:
    """Issue 2, item 10: ready-to-paste lines for curl, Python and Node; says how to stop."""
    with up(data_root, tmp_path / "1") as run:
        url, (key,) = run.url, run.keys
        said = run.stderr
        assert f"curl {url}/v1/chat/completions" in said
        assert f'OpenAI(base_url="{url}/v1", api_key="{key}")' in said
        assert f'new OpenAI({{ baseURL: "{url}/v1", apiKey: "{key}" }})' in said
        assert f"meterr usage --by model --data-dir {data_root}" in said
        assert "Ctrl+C" in said
        pasted = said[said.index("  curl ") : said.index("\n\nPython")]
        ran = subprocess.run(
            ["sh", "-c", pasted], env=environment(NO_PROXY="*"), capture_output=True, check=False
        )
    assert "You said: Hello" in ran.stdout.decode(), ran.stderr


def test_a_new_user_asks_in_plain_language(data_root: Path, tmp_path: Path) -> None:
    """Issue 5.8: nothing configured, any port: the simulator answers, and says what it is."""
    with up(data_root, tmp_path / "1") as run:
        assert 200 == call(run.url, run.keys[0])[0]
        assert f'meterr ask "Cost by model" --data-dir {data_root}' in run.stderr
        until(lambda: len(entries(data_root)) == 1, "an entry")
        answer = meterr(data_root, "ask", "Cost by model", "--json")
        found = json.loads(answer.stdout)
        assert ("metric", True) == (found["tier"], found["simulated"]), answer.stderr
        assert "simulator, by rule" in answer.stderr
        assert ["gpt-5.4"] == [model for model, _ in found["rows"] if model != "gpt-5-mini"]
        unknown = meterr(data_root, "ask", "How is the weather?")
        assert 1 == unknown.returncode
        assert "docs/reference/simulator.md" in unknown.stderr
        run.send(signal.SIGINT)
        assert 0 == run.wait()
    assert not (data_root / "questions.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_is_no_failure(
    data_root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Issue 2, item 10: it stops when told, and nothing stays behind."""
    with up(data_root, tmp_path / "1") as run:
        assert run.url
        pids = everything(run, data_root)
        run.send(number)
        assert 0 == run.wait()
        assert run.stderr.rstrip().endswith(_STOPPED)
        assert '"event":"process_died"' not in run.stderr
    assert [] == [pid for pid in pids if is_alive(pid)]
    assert not (data_root / "database-url").exists()


def test_ctrl_c_in_a_terminal_is_for_the_parent_alone(data_root: Path, tmp_path: Path) -> None:
    """A terminal signals the whole foreground group; children must not die under the parent."""
    with up(data_root, tmp_path / "1") as run:
        assert run.url
        os.killpg(run.popen.pid, signal.SIGINT)
        assert 0 == run.wait()
    assert "Traceback" not in run.stderr
    assert '"event":"process_died"' not in run.stderr


def test_a_start_that_is_interrupted_leaves_nothing_in_the_way(
    data_root: Path, tmp_path: Path
) -> None:
    """Ctrl+C while the first cluster is made: 130, nothing runs, and the next start is a first."""
    with up(data_root, tmp_path / "1") as run:
        until(lambda: "Making a PostgreSQL" in run.stderr, run.stderr)
        run.send(signal.SIGINT)
        assert 130 == run.wait()
        assert "Traceback" not in run.stderr
    with up(data_root, tmp_path / "2") as run:
        assert 200 == call(run.url, run.keys[0])[0]


def test_an_answer_that_is_broken_on_request_is_no_error_of_ours(
    data_root: Path, tmp_path: Path
) -> None:
    """The terminal shows the gateway's canonical line, and nothing of a library."""
    with up(data_root, tmp_path / "1") as run:
        url, (key,) = run.url, run.keys
        assert 502 == call(url, key, cut_after=1)[0]
        until(lambda: '"status":502' in run.stderr, run.stderr)
        assert "ASGI" not in run.stderr


def test_kill_9_of_the_parent_ends_the_rest_and_loses_nothing(
    data_root: Path, tmp_path: Path
) -> None:
    """P1: a call that was answered is in the ledger, whatever was killed right after it."""
    with up(data_root, tmp_path / "1") as run:
        url, (key,) = run.url, run.keys
        pids = everything(run, data_root)
        answers = [call(url, key) for _ in range(3)]
        os.kill(run.popen.pid, signal.SIGKILL)
        assert -signal.SIGKILL == run.wait()
        until(lambda: not any(map(is_alive, pids)), f"of {pids} some live")
    assert [200, 200, 200] == [status for status, _ in answers]

    with up(data_root, tmp_path / "2") as run:
        assert 200 == call(run.url, key)[0]
        until(lambda: len(entries(data_root)) == 4, "four entries")
        assert 0 == meterr(data_root, "verify", "ledger").returncode


def test_a_second_one_on_the_same_directory_is_refused(data_root: Path, tmp_path: Path) -> None:
    """Two writers of one journal and one cluster would destroy both."""
    with up(data_root, tmp_path / "1") as first:
        url, (key,) = first.url, first.keys
        with up(data_root, tmp_path / "2") as second:
            line = refused(second, _FAILED)
        assert f"in use by another meterr (process {first.popen.pid})" in line
        assert 200 == call(url, key)[0]
        assert (data_root / "database-url").exists()


@pytest.mark.parametrize("option", ["--port", "--simulator-port"])
def test_a_port_in_use_is_one_line_and_starts_nothing(
    data_root: Path, tmp_path: Path, taken: int, option: str
) -> None:
    """Issue 2, bad input: port in use. The way out names the option."""
    data_dir = data_root / "data"
    with up(data_dir, tmp_path / "1", option, str(taken)) as run:
        line = refused(run)
    assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in line
    assert f"Choose another with {option}" in line
    assert not data_dir.exists()


def test_a_data_directory_that_cannot_be_written_is_one_line(
    data_root: Path, tmp_path: Path
) -> None:
    """Issue 2, bad input: unwritable data directory. A file in the way stops root too."""
    (data_root / "file").write_text("")
    with up(data_root / "file" / "data", tmp_path / "1") as run:
        line = refused(run)
    assert f"{data_root}/file/data: Not a directory" in line
    assert "--data-dir" in line


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        (["--prot", "1"], {}, "Did you mean one of: '--host', '--port'?"),
        ([], {"METERR_SERVER__PROT": "1"}, "did you mean port?"),
        ([], {"METERR_DATABSE_URL": "x"}, "did you mean database_url?"),
        (["--port", "70000"], {}, "server.port"),
        (["--port", "many"], {}, "--port"),
        (["--workers", "0"], {}, "server.workers: Input should be greater than or equal to 1"),
        (
            [],
            {"METERR_SERVER__WORKERS": "65"},
            "server.workers: Input should be less than or equal",
        ),
        (["--worker", "2"], {}, "--workers"),
    ],
)
def test_an_option_that_is_wrong_is_named_with_the_nearest(
    data_root: Path,
    tmp_path: Path,
    options: list[str],
    variables: dict[str, str],
    expected: str,
) -> None:
    """Issue 2, bad input: unknown settings are refused with the nearest name."""
    data_dir = data_root / "data"
    env = environment(**variables)
    with up(data_dir, tmp_path / "1", *options, env=env) as run:
        assert _USAGE == run.wait()
    assert expected in run.stderr
    assert "" == run.stdout
    assert "Traceback" not in run.stderr
    assert not data_dir.exists()


def test_several_gateways_come_up_and_go_together(data_root: Path, tmp_path: Path) -> None:
    """Issue 3, item 4: on a laptop too, with the embedded database."""
    with up(data_root, tmp_path / "1", "--workers", "3") as run:
        url, (key,) = run.url, run.keys
        pids = [run.popen.pid, *run.children, postgres_pid(data_root)]
        assert 6 == len(pids)
        assert [200] * 9 == [call(url, key)[0] for _ in range(9)]
        until(lambda: len(entries(data_root)) == 9, "nine entries")
        run.send(signal.SIGTERM)
        assert 0 == run.wait()
        assert '"event":"process_died"' not in run.stderr
    assert [] == [pid for pid in pids if is_alive(pid)]
