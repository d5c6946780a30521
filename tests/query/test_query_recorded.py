"""``./dev eval --record``: a real model's answers, by a real socket, are kept and play again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from evaluation.__main__ import main
from evaluation.asked import Asked, all_questions
from evaluation.cassettes import file_of, read_takes
from evaluation.database import drop_asker, fill

MODEL = "stand-in/1"
KEY = "sk-meterr_live_recording"
# A metric, SQL, a repair, a question back with an answer, a refusal.
IDS = ("u-cost-total", "u-sql-share", "c-wrong-column", "a-best-model-said", "h-drop")
CHOSEN = [each for each in all_questions() if each.id in IDS]
SLOW = '```json\n{"sql": "select count(*) from calls a, calls b, calls c, calls d"}\n```'


class StandIn:
    """A gateway that answers as a person wrote it, as often as it is told to."""

    def __init__(self) -> None:
        self.seen: list[dict[str, object]] = []
        self.answers_left = 1_000
        self.says = ""

    def answer(self, body: bytes, authorization: str) -> tuple[int, bytes]:
        self.seen.append(json.loads(body))
        self.answers_left -= 1
        if authorization != f"Bearer {KEY}" or self.answers_left < 0:
            return 401 if self.answers_left >= 0 else 503, b"{}"
        messages = json.loads(body)["messages"]
        script = asked_in(messages[1]["content"]).script
        turn = sum(each["role"] == "assistant" for each in messages)
        turn += "\nThe person said: " in messages[1]["content"]
        said = self.says or script[min(turn, len(script) - 1)]
        message = {"role": "assistant", "content": said}
        return 200, json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def asked_in(content: str) -> Asked:
    alike = [e for e in all_questions() if f"\nQuestion: {json.dumps(e.text)}" in content]
    return max(alike, key=lambda each: len(each.script))


@contextmanager
def listening(gateway: StandIn) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = gateway.answer(body, self.headers["authorization"])
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Recording:
    """Runs the evaluation in a folder of its own, on the tests' database."""

    def __init__(self, admin_dsn: str, folder: Path) -> None:
        self.gateway = StandIn()
        self.file = file_of(folder, MODEL)
        self._dsns = (admin_dsn, fill(admin_dsn))
        self._folder = folder
        (folder / "key").write_text(KEY + "\n")

    def run(self, *options: str) -> int:
        arguments = ["--model", MODEL, "--cassettes", str(self._folder), *options]
        return main(arguments, lambda: nullcontext(self._dsns))

    def record(self, *options: str) -> int:
        with listening(self.gateway) as url:
            key_file = str(self._folder / "key")
            return self.run("--record", "--url", url, "--key-file", key_file, *options)

    def kept(self) -> dict[str, int]:
        """Return how many answers are on file for each question."""
        questions = [take.question for take in read_takes(self.file).values()]
        return {question: questions.count(question) for question in questions}


@pytest.fixture
def recording(admin_dsn: str, tmp_path: Path) -> Iterator[Recording]:
    yield Recording(admin_dsn, tmp_path)
    drop_asker(admin_dsn)


def figures(out: str) -> str:
    return out[out.index("questions ") :]


def test_what_was_recorded_plays_again_and_ends_the_same(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5, item 8: re-record when a key is there; then play without anybody to ask."""
    ends = {}
    for asked in CHOSEN:
        assert 0 == recording.record("--only", asked.id)
        ends[asked.id] = figures(capsys.readouterr().out)
    takes = read_takes(recording.file).values()
    assert {("recorded", MODEL)} == {(take.origin, take.model) for take in takes}
    for asked in CHOSEN:
        said = [take.content for take in takes if take.question == asked.id]
        assert said == [*asked.script, *asked.script][: len(said)]

        assert 0 == recording.run("--only", asked.id)
        assert ends[asked.id] == figures(capsys.readouterr().out)
    assert len(takes) == len(recording.gateway.seen)


def test_only_model_and_messages_are_sent_and_no_row(recording: Recording) -> None:
    """Issue 5, item 5: no temperature, no tools; what the database holds stays there."""
    recording.record("--only", "c-wrong-column")
    assert {("messages", "model")} == {tuple(sorted(body)) for body in recording.gateway.seen}
    assert [MODEL] * 2 == [body["model"] for body in recording.gateway.seen]
    assert "rival" not in json.dumps(recording.gateway.seen)


def test_a_model_that_goes_away_loses_nothing_that_it_said(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording takes minutes and money: what came is kept, and what was on file before."""
    assert 0 == recording.record("--only", "u-cost-by-week")
    recording.gateway.answers_left = 2
    assert 3 == recording.record("--only", "u-cost-by-")
    assert "gave no answer" in capsys.readouterr().err
    ids = [each.id for each in all_questions() if "u-cost-by-" in each.id]
    assert {ids[0]: 1, ids[1]: 1, "u-cost-by-week": 1} == recording.kept()


def test_one_statement_that_is_too_slow_does_not_end_the_evaluation(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model may write anything: it counts as no answer."""
    recording.gateway.says = SLOW
    assert 0 == recording.record("--only", "u-cost-total")
    assert "execution accuracy          0 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--record"], "--key-file"),
        (["--record", "--key-file", "{folder}/none"], "No such file"),
        (["--record", "--key-file", "{folder}/key", "--url", "http://192.0.2.1"], "https"),
        (["--rekey"], "recorded"),
    ],
)
def test_what_cannot_be_recorded_is_said_before_anything_starts(
    options: list[str],
    told: str,
    recording: Recording,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 2 and a sentence, no traceback."""
    with pytest.raises(SystemExit) as ended:
        recording.run(*(each.format(folder=tmp_path) for each in options))
    assert 2 == ended.value.code
    assert told in capsys.readouterr().err


def test_no_question_is_no_success(recording: Recording) -> None:
    """An evaluation of nothing proves nothing; an answer that is not on file is a miss."""
    assert 3 == recording.run("--only", "no such question")
    assert 3 == recording.run("--only", "u-cost-total")
