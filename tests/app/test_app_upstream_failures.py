"""A provider that fails: a clear answer in the caller's dialect, and an entry that says how."""

import hashlib
import json
from typing import Any

import pytest

from support.conversation import (
    CHAT,
    COUNT_TOKENS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    STREAMING,
    Conversation,
    json_of,
)
from support.refusals import assert_refused, assert_tells_no_internals
from support.simulator import Answer
from support.spent import booked

FAMILIES = [CHAT, MESSAGES]
BILLED = [CHAT, EMBEDDINGS, RESPONSES, MESSAGES]
LONG = {"text": "word " * 200, "chunks": 20}


def assert_estimated(talk: Conversation, answer: Answer, outcome: str, error: str) -> None:
    """Hold that a call that may be billed costs something, and says that it was estimated."""
    entry = talk.entry(answer)
    assert (outcome, error, answer.status, "settled") == (
        entry["outcome"],
        entry["error"],
        entry["status"],
        entry["state"],
    )
    assert entry["estimate"]
    assert entry["input"] > 0
    assert talk.recomputed(entry) == entry["cost_usd"] > 0


def assert_free(talk: Conversation, answer: Answer, error: str = "") -> None:
    entry = talk.entry(answer)
    assert ("upstream_error", error, 0, {}, "") == (
        entry["outcome"],
        entry["error"],
        entry["cost_usd"],
        booked(entry),
        entry["estimate"],
    )


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("path", [*BILLED, COUNT_TOKENS])
def test_a_refused_credential_of_ours_is_not_the_callers_affair(
    meterr: Conversation, path: str, kind: str
) -> None:
    """Bad input: 401 of the provider becomes 502, without its text, which repeats keys."""
    steered = {"status": 401, "text": "sk-leak", "headers": {"content-type": kind}}
    answer = meterr.simulated(path, steered)
    assert_refused(path, answer, 502, "Your own key is fine")
    assert b"sk-leak" not in answer.body
    entry = meterr.entry(answer)
    assert ("upstream-credential", 502, {}) == (entry["error"], entry["status"], booked(entry))


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503, 529])
@pytest.mark.parametrize("path", BILLED)
def test_the_providers_own_refusals_pass_as_they_are(
    meterr: Conversation, path: str, status: int
) -> None:
    """4.2, 8 and 9: status, body and retry-after are the provider's; nothing is billed."""
    steered = {"status": status, "headers": {"retry-after": "7", "x-ratelimit-reset-tokens": "1s"}}
    answer = meterr.simulated(path, steered, **({} if path == EMBEDDINGS else {"stream": True}))
    assert (status, "7", "1s") == (
        answer.status,
        answer.headers["retry-after"],
        answer.headers["x-ratelimit-reset-tokens"],
    )
    assert meterr.call(answer)["answer_sha256"] == hashlib.sha256(answer.body).hexdigest()
    assert_free(meterr, answer)


@pytest.mark.parametrize("kind", ["html", "json"])
@pytest.mark.parametrize("path", BILLED)
def test_an_answer_that_cannot_be_read_passes_and_is_estimated(
    meterr: Conversation, path: str, kind: str
) -> None:
    """Bad input: HTML or garbage with status 200: not ours to repair, never free."""
    answer = meterr.simulated(path, {"malformed": kind})
    assert 200 == answer.status
    assert meterr.call(answer)["answer_sha256"] == hashlib.sha256(answer.body).hexdigest()
    assert_estimated(meterr, answer, "complete", "usage-unreadable")


@pytest.mark.parametrize("path", BILLED)
def test_half_an_answer_is_a_502(meterr: Conversation, path: str) -> None:
    """Bad input: closed before its Content-Length; nothing of it was sent on."""
    answer = meterr.simulated(path, {"malformed": "truncated"})
    assert_refused(path, answer, 502, "broke off")
    assert_estimated(meterr, answer, "upstream_error", "upstream-broken")


def test_an_answer_beyond_the_limit_is_a_502_and_not_free(impatient: Conversation) -> None:
    """Bad input: it was answered, so it is billed; here more than 100,000 bytes are too many."""
    answer = impatient.simulated(CHAT, {"text": "x" * 200_000})
    assert_refused(CHAT, answer, 502, "100000 bytes")
    assert_estimated(impatient, answer, "upstream_error", "upstream-broken")


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_that_never_answers_is_a_504(
    impatient: Conversation, path: str, *, stream: bool
) -> None:
    """Bad input: here it has one second; it may have worked on the call, so it is estimated."""
    answer = impatient.simulated(path, {"never_answer": True}, stream=stream)
    assert_refused(path, answer, 504, "did not answer in time")
    assert_estimated(impatient, answer, "upstream_error", "upstream-timeout")


def test_a_whole_answer_that_stalls_is_a_504(impatient: Conversation) -> None:
    """Bad input: nothing was sent on, so it can still be a status."""
    answer = impatient.simulated(CHAT, {"chunks": 4, "stall_after": 2})
    assert_refused(CHAT, answer, 504, "fell silent")
    assert_estimated(impatient, answer, "upstream_error", "upstream-timeout")


def last_event(path: str, answer: Answer) -> dict[str, Any]:
    """Return what the error event at the end of a stream says, in the dialect of ``path``."""
    *_, last = [each for each in answer.body.split(b"\n\n") if each]
    data = json.loads(last.partition(b"data: ")[2])
    assert last.startswith(b"data: " if path == CHAT else b"event: error\ndata: ")
    assert_tells_no_internals(last)
    if path == RESPONSES:
        assert {"type", "code", "message", "param"} <= data.keys()
        assert "error" == data["type"]
        return {"message": data["message"]}
    assert (path == MESSAGES) is ("type" in data)
    error: dict[str, Any] = data["error"]
    return error


@pytest.mark.parametrize("path", STREAMING)
@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize("way", ["cut_after", "stall_after"])
def test_a_stream_that_breaks_ends_with_an_error_event(
    impatient: Conversation, path: str, pieces: int, way: str
) -> None:
    """4.2, 8: never a silent end, whether the provider hangs up or falls silent."""
    answer = impatient.simulated(path, {way: pieces, **LONG}, stream=True)
    error, text = (
        ("upstream-broken", "broke off")
        if way == "cut_after"
        else ("upstream-timeout", "fell silent")
    )
    assert 200 == answer.status
    assert text in last_event(path, answer)["message"]
    assert pieces + 1 == len([each for each in answer.body.split(b"\n\n") if each])
    assert_estimated(impatient, answer, "upstream_cut", error)


@pytest.mark.parametrize("path", STREAMING)
def test_what_was_seen_of_a_cut_stream_is_what_is_charged(meterr: Conversation, path: str) -> None:
    """P1: the estimate grows with the text that came, and keeps the input if that was reported."""
    few, many = (
        meterr.entry(meterr.simulated(path, {"cut_after": n, **LONG}, stream=True)) for n in (6, 18)
    )
    assert 0 < few["output"] < many["output"] < 250
    method = "reported-input" if path == MESSAGES else "request-bytes/4"
    assert f"{method}+answer-chars/4" == few["estimate"] == many["estimate"]


@pytest.mark.parametrize("path", STREAMING)
def test_an_error_that_the_provider_reports_in_its_stream_passes(
    meterr: Conversation, path: str
) -> None:
    """4.2, 8: its own error event is the last; ours is not added to it."""
    answer = meterr.simulated(path, {"error_after": 3, **LONG}, stream=True)
    call, entry = meterr.call(answer), meterr.entry(answer)
    assert call["answer_sha256"] == hashlib.sha256(answer.body).hexdigest()
    assert ("upstream_error", 200) == (entry["outcome"], entry["status"])
    assert entry["estimate"]


@pytest.mark.parametrize("path", STREAMING)
def test_garbage_among_the_events_passes_and_the_usage_counts(
    meterr: Conversation, path: str
) -> None:
    """Bad input: what an SDK makes of it is its affair; the ledger reads what can be read."""
    answer = meterr.simulated(path, {"malformed": "sse"}, stream=True)
    entry = meterr.entry(answer)
    assert 200 == answer.status
    assert "settled" == entry["state"]
    assert entry["cost_usd"] > 0


@pytest.mark.parametrize("path", BILLED)
def test_a_whole_answer_that_calls_itself_a_stream_does_no_harm(
    meterr: Conversation, path: str
) -> None:
    """Bad input: a content type that lies costs an estimate at most, never an internal error."""
    answer = meterr.simulated(path, {"headers": {"content-type": "text/event-stream"}})
    assert 200 == answer.status
    assert meterr.entry(answer)["cost_usd"] > 0


def test_a_stream_without_its_usage_is_estimated_by_its_text(meterr: Conversation) -> None:
    """P1: the provider kept it to itself; a whole stream is never free."""
    answer = meterr.simulated(CHAT, {"usage_place": "none", **LONG}, stream=True)
    assert_estimated(meterr, answer, "complete", "usage-missing")
    assert meterr.entry(answer)["output"] == 250
    assert json_of(answer.body)
