"""Clients that leave: what they caused is in the ledger all the same."""

import json
from typing import Any

import pytest

from support.conversation import BODIES, CHAT, MESSAGES, RESPONSES, STREAMING, Conversation
from support.spent import booked, spent

SLOW = {"text": "word " * 100, "chunks": 20, "chunk_delay_ms": 50}


def leave(
    talk: Conversation, path: str, simulate: dict[str, Any], *, stream: bool, after: str
) -> dict[str, Any]:
    """Make a call, leave after some bytes or after it reached the provider; return its entry."""
    before = talk.call_count()
    body = json.dumps({**BODIES[path], "stream": stream, "simulate": simulate}).encode()
    with talk.open(path, body) as connection:
        if after == "first bytes":
            received = b""
            while b"data: " not in received:
                received += connection.recv(65536)
        talk.house.until(lambda: talk.call_count() > before)
    (call,) = talk.calls_after(before)
    return talk.entry(call["caller_id"])


def witnessed(talk: Conversation, entry: dict[str, Any]) -> dict[str, Any]:
    (call,) = talk.calls_of(entry["id"])
    return call


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_a_client_that_leaves_before_the_answer_has_an_exact_entry(
    meterr: Conversation, path: str, *, stream: bool
) -> None:
    """P2: the provider worked, so the call is settled by what it reported."""
    entry = leave(meterr, path, {"delay_ms": 1200}, stream=stream, after="arrival")
    assert ("client_gone", "settled", "") == (entry["outcome"], entry["state"], entry["estimate"])
    assert booked(entry)
    assert meterr.recomputed(entry) == entry["cost_usd"] > 0


@pytest.mark.parametrize("path", STREAMING)
def test_a_stream_is_drained_to_its_usage_when_the_client_leaves(
    meterr: Conversation, path: str
) -> None:
    """P1: policy `drain`: the provider would bill the whole answer, and so do we, exactly."""
    entry = leave(meterr, path, SLOW, stream=True, after="first bytes")
    usage = {"input_tokens": entry["input"]} | witnessed(meterr, entry)["usage"]
    assert "answered" == witnessed(meterr, entry)["stage"]
    assert ("client_gone", "") == (entry["outcome"], entry["estimate"])
    assert spent(usage) == booked(entry)
    assert 125 == entry["output"]


@pytest.mark.parametrize("path", STREAMING)
@pytest.mark.parametrize("after", ["first bytes", "arrival"])
def test_a_stream_is_cancelled_when_the_policy_says_so(
    impatient: Conversation, path: str, after: str
) -> None:
    """P1: policy `cancel`: closed upstream, estimated and flagged; also before the first byte."""
    simulate = {**SLOW, "delay_ms": 100 if after == "arrival" else 0, "chunk_delay_ms": 100}
    entry = leave(impatient, path, simulate, stream=True, after=after)
    impatient.house.until(lambda: "client_gone" == witnessed(impatient, entry)["stage"])
    assert ("client_gone", "settled") == (entry["outcome"], entry["state"])
    assert entry["estimate"]
    assert 0 <= entry["output"] < 125
    assert impatient.recomputed(entry) == entry["cost_usd"] > 0


def test_a_client_that_leaves_inside_its_request_leaves_no_trace(meterr: Conversation) -> None:
    """Nothing left for a provider, and nobody is left to answer."""
    meterr.entry(meterr.post(CHAT, BODIES[CHAT]))  # and so the entries of all calls before it
    calls, entries = meterr.call_count(), meterr.entry_count()
    body = json.dumps(BODIES[CHAT]).encode()
    fields = "".join(f"{name}: {value}\r\n" for name, value in meterr.own(CHAT).items())
    head = f"POST {CHAT} HTTP/1.1\r\nhost: m\r\n{fields}content-length: {len(body)}\r\n\r\n"
    meterr.raw(head.encode() + body[:-5]).close()
    meterr.entry(meterr.post(CHAT, BODIES[CHAT]))
    assert (calls + 1, entries + 1) == (meterr.call_count(), meterr.entry_count())
