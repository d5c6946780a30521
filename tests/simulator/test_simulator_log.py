"""The witness: what the call log promises, with the simulator killed under it."""

import hashlib
import json
import random
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from meterr import simulator
from support.simulator import KEY, SimulatorProcess, Wire, in_thread, read_to_end, sent_to

BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "calls.ndjson"


@pytest.fixture
def logged(log_path: Path) -> Iterator[Wire]:
    with in_thread(log_path, refused_credentials={"sk-bad-key"}) as running:
        yield running


def lines(path: Path, running: Wire) -> list[dict[str, Any]]:
    """Return the file's lines, complete for every call answered so far."""
    running.calls()  # answered by the same loop, so after the last line of each earlier call
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_call_has_a_line_when_it_came_and_a_line_when_it_ended(
    logged: Wire, log_path: Path
) -> None:
    """Issue item 7: own id, caller's id, path, digests, lengths, usage, model, stream."""
    sent = json.dumps(BODY).encode()
    answer = logged.openai("chat/completions", sent, {"x-meterr-request-id": "call-1"})
    received, ended = lines(log_path, logged)

    assert ("received", "answered") == (received["event"], ended["event"])
    assert received["id"] == ended["id"] == answer.headers["x-request-id"]
    assert ("call-1", "/v1/chat/completions", "m", False) == (
        received["caller_id"],
        received["path"],
        received["model"],
        received["stream"],
    )
    assert (hashlib.sha256(sent).hexdigest(), len(sent)) == (
        received["body_sha256"],
        received["body_bytes"],
    )
    assert (hashlib.sha256(answer.body).hexdigest(), len(answer.body)) == (
        ended["answer_sha256"],
        ended["answer_bytes"],
    )
    assert answer.json()["usage"] == ended["usage"]


def test_calls_are_listed_merged_after_a_sequence_and_up_to_a_limit(logged: Wire) -> None:
    """GET /_simulator/calls?after=&limit=."""
    for _ in range(3):
        logged.openai("chat/completions", BODY)

    assert [1, 2, 3] == [call["sequence"] for call in logged.calls()]
    assert ["answered"] * 3 == [call["stage"] for call in logged.calls()]
    assert [2] == [
        call["sequence"] for call in logged.send("GET", "/_simulator/calls?after=1&limit=1").json()
    ]
    assert [] == logged.calls(after=3)
    assert 400 == logged.send("GET", "/_simulator/calls?after=x").status
    assert {"status": "ok"} == logged.send("GET", "/_simulator/health").json()
    assert 404 == logged.send("GET", "/_simulator/nothing").status


def test_memory_keeps_only_the_latest_calls() -> None:
    """Without a file the log is bounded."""
    with in_thread(None, calls_kept=2) as running:
        for _ in range(5):
            running.openai("chat/completions", BODY)

        assert [4, 5] == [call["sequence"] for call in running.calls()]
        assert ["answered"] * 2 == [call["stage"] for call in running.calls()]


def test_a_cut_stream_logs_only_the_usage_that_was_sent(logged: Wire, log_path: Path) -> None:
    """The witness of a cut: nothing was reported before the usage chunk."""
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    with pytest.raises(Exception, match="IncompleteRead"):
        logged.openai("chat/completions", {**body, "simulate": {"cut_after": 3}})
    logged.openai("chat/completions", body)

    cut, whole = (line for line in lines(log_path, logged) if line["event"] != "received")
    assert ("cut", 3, None) == (cut["event"], cut["events_sent"], cut["usage"])
    assert ("answered", 2) == (whole["event"], whole["usage"]["prompt_tokens"])


def test_a_refused_call_is_on_file_too(logged: Wire, log_path: Path) -> None:
    """401, 400 and 404 were received like any other call."""
    logged.send("POST", "/v1/chat/completions", BODY)
    logged.openai("chat/completions", b"{not json")
    logged.openai("nothing", BODY)

    assert [401, 400, 404] == [
        r["status"] for r in lines(log_path, logged) if r["event"] == "answered"
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"a":' * 50_000])
def test_a_body_that_is_no_object_is_400(logged: Wire, body: bytes) -> None:
    """Deep nesting included."""
    answer = logged.openai("chat/completions", body)

    assert 400 == answer.status


def test_query_and_harmless_headers_are_witnessed(logged: Wire) -> None:
    """console 4.2, 4 and 6: what the gateway must forward unchanged can be compared."""
    headers = {"anthropic-beta": "a,b", "x-secret": "s", "authorization": f"Bearer {KEY}"}
    logged.send("POST", "/v1/messages?beta=true", BODY, headers)
    call = logged.calls()[-1]

    assert hashlib.sha256(b"beta=true").hexdigest() == call["query_sha256"]
    assert "a,b" == call["headers"]["anthropic-beta"]
    assert not {"x-secret", "authorization"} & call["headers"].keys()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_what_cannot_be_put_on_file_is_not_answered() -> None:
    """A witness that cannot write stops the provider: 500, and no call is listed."""
    with in_thread(Path("/dev/full")) as running:
        answer = running.openai("chat/completions", BODY)

        assert 500 == answer.status
        assert [] == running.calls()


def test_a_body_over_64_mib_is_refused_unread_and_no_call(logged: Wire) -> None:
    """413 in shape; the connection closes."""
    head = f"POST /v1/embeddings HTTP/1.1\r\ncontent-length: {64 * 1024 * 1024 + 1}\r\n\r\n"
    received = read_to_end(sent_to(logged.port, head.encode()))

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b'{"error":{"message":' in received
    assert [] == logged.calls()


class TestCredentials:
    def test_the_log_and_the_answers_never_hold_one(self, logged: Wire, log_path: Path) -> None:
        """P6: a canary through every outcome; only its digest is on file."""
        canary = "sk-canary-8d1c"
        bodies = [BODY, {**BODY, "model": 1}, {**BODY, "simulate": {"status": 500}}]
        answers = [
            logged.openai("chat/completions", body, {"authorization": f"Bearer {canary}"}).body
            for body in bodies
        ]

        assert canary.encode() not in b"".join(answers) + log_path.read_bytes()
        assert {"authorization": simulator.digest(canary)} == lines(log_path, logged)[0][
            "credentials"
        ]
        assert canary not in json.dumps(logged.calls())

    def test_every_header_that_can_carry_one_is_seen(self, logged: Wire) -> None:
        """So that a test can show that a client's own key never got here."""
        logged.openai("chat/completions", BODY, {"x-api-key": "leaked", "cookie": "a=b"})

        assert {
            "authorization": simulator.digest(KEY),
            "x-api-key": simulator.digest("leaked"),
            "cookie": simulator.digest("a=b"),
        } == logged.calls()[-1]["credentials"]

    @pytest.mark.parametrize("header", ["x-api-key", "authorization"])
    def test_a_configured_bad_one_is_401(self, logged: Wire, header: str) -> None:
        """In the provider's shape, without the value."""
        value = "sk-bad-key" if header == "x-api-key" else "Bearer sk-bad-key"
        headers = {"anthropic-version": "2023-06-01", header: value}
        answer = logged.send("POST", "/v1/messages", BODY, headers)

        assert (401, "authentication_error") == (answer.status, answer.json()["error"]["type"])
        assert b"sk-bad-key" not in answer.body

    def test_none_is_needed_when_configured_so(self) -> None:
        """For an upstream such as Ollama."""
        with in_thread(credential_required=False) as open_simulator:
            answer = open_simulator.send("POST", "/v1/chat/completions", BODY)

        assert 200 == answer.status


@pytest.mark.attack
@pytest.mark.parametrize("seed", range(6))
def test_no_byte_is_answered_before_the_call_is_on_file(log_path: Path, seed: int) -> None:
    """P2: ``kill -9`` at random moments; each call of which a byte came back has its line."""
    chance = random.Random(seed)
    process = SimulatorProcess(log_path)
    try:
        seen = _answered_until_killed(process, chance)
    finally:
        process.close()

    on_file = {line["caller_id"] for line in whole_lines(log_path) if line["event"] == "received"}
    assert seen
    assert seen <= on_file


def _answered_until_killed(process: SimulatorProcess, chance: random.Random) -> set[str]:
    """Open many calls at once, kill in their middle, and return those that got a byte."""
    seen: set[str] = set()
    process.start()
    kill_after = chance.randrange(1, 40)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for number in range(40):
            steering = {"delay_ms": chance.randrange(40), "chunk_delay_ms": chance.randrange(3)}
            body = {**BODY, "stream": chance.random() < 0.5, "simulate": steering}
            header = f"x-meterr-request-id: call-{number}\r\n"
            connection = process.wire.raw("/v1/chat/completions", body, headers=header)
            stack.enter_context(connection)
            selector.register(connection, selectors.EVENT_READ, f"call-{number}")
        patience_s = 30.0
        while selector.get_map() and (ready := selector.select(patience_s)):
            for key, _ in ready:
                if _first_byte(selector.unregister(key.fileobj)):
                    seen.add(key.data)
            if len(seen) >= kill_after:
                process.kill()
                patience_s = 0.2  # what was under way has arrived; the rest never will
    return seen


def _first_byte(key: selectors.SelectorKey) -> bytes:
    assert isinstance(key.fileobj, socket.socket)
    try:
        return key.fileobj.recv(1)
    except ConnectionError:
        return b""


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the file's lines; every one must be whole, since each was one write."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_a_restarted_simulator_continues_the_file(log_path: Path) -> None:
    """Append only: what one process wrote the next one keeps."""
    process = SimulatorProcess(log_path)
    try:
        for _ in range(2):
            process.start()
            process.wire.openai("chat/completions", BODY)
            process.kill()
    finally:
        process.close()

    received = [line for line in whole_lines(log_path) if line["event"] == "received"]
    assert 2 == len({line["id"] for line in received})


def test_a_client_that_leaves_before_its_body_is_complete_made_no_call(
    logged: Wire, log_path: Path
) -> None:
    """Nothing was received, so nothing is on file."""
    with socket.create_connection(("127.0.0.1", logged.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
    logged.openai("chat/completions", BODY)

    assert 1 == len([line for line in lines(log_path, logged) if line["event"] == "received"])
