"""The official Node SDKs, unmodified: what they say they did is what the ledger says."""

import json
from typing import Any

import pytest

from support.conversation import Conversation
from support.node import CLIENTS, run_node
from support.spent import booked, spent

SAID = "You said: How is the weather in Rome?"
# The simulator's log keeps the last usage sent: of a stream of messages, the output alone.
PROMPT = {"input_tokens": 7}
ANSWERS = {
    "chat": SAID,
    "chat_slashed": SAID,
    "chat_stream": SAID,
    "chat_stream_helper": SAID,
    "chat_parse": ["city"],
    "chat_tools": "weather",
    "embeddings": 1536,
    "embeddings_as_floats": "number",
    "responses": "You said: hi",
    "responses_stream": "response.completed",
    "responses_stream_helper": "You said: hi",
    "responses_parse": ["city"],
    "responses_tools": "weather",
    "messages": SAID,
    "messages_stream": "message_stop",
    "messages_stream_helper": SAID,
    "messages_tools": "weather",
    "count_tokens": True,
    "models": "gpt-4o-mini",
    "models_of_anthropic": "claude-haiku-4-5",
    "unknown_model": "NotFoundError 404",
    "unknown_model_of_anthropic": "NotFoundError 404",
    "wrong_key": "AuthenticationError 401",
    "cut_stream": "APIError",
    "cut_stream_of_anthropic": "APIError",
}
_NOT_CALLS = {"models", "models_of_anthropic", "wrong_key"}
_REFUSED = {"unknown_model", "unknown_model_of_anthropic"}
_CUT = {"cut_stream", "cut_stream_of_anthropic"}


@pytest.fixture(scope="module")
def told(meterr: Conversation) -> dict[str, dict[str, Any]]:
    """What the Node program printed, by the name of the call."""
    house = {"METERR_BASE_URL": meterr.house.base_url, "METERR_API_KEY": meterr.house.key}
    said = run_node("run_all.mjs", environment=house)
    return {each["name"]: each for each in map(json.loads, said.splitlines())}


def test_the_lock_names_no_address() -> None:
    """Issue 2: no URL in a lock; npm itself is told to leave them out."""
    text = (CLIENTS / "package-lock.json").read_text()
    assert "://" not in text
    assert '"resolved"' not in text
    assert "omit-lockfile-registry-resolved=true" in (CLIENTS / ".npmrc").read_text()


def test_every_call_gets_the_answer_that_the_sdk_promises(told: dict[str, dict[str, Any]]) -> None:
    """Issue 2: all endpoints, streams with their helpers, parse and tools."""
    answers = {name: each["answer"] for name, each in told.items()}
    assert {**ANSWERS, **{n: a for n, a in answers.items() if n in _CUT}} == answers
    assert all(answers[name] != "no error" for name in _CUT)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in _NOT_CALLS])
def test_each_call_has_one_exact_entry(
    meterr: Conversation, told: dict[str, dict[str, Any]], name: str
) -> None:
    """P1, P2: one entry per call; usage as the simulator sent it, or an estimate that says so."""
    (call_id,) = told[name]["ids"]
    entry = meterr.entry(call_id)
    calls = meterr.calls_of(call_id)
    if name in _REFUSED:
        assert ("refused", [], None) == (entry["state"], calls, entry["cost_usd"])
        return
    (call,) = calls
    if name in _CUT:
        assert ("upstream_cut", True) == (entry["outcome"], bool(entry["estimate"]))
        return
    exact = {} if name == "count_tokens" else spent(PROMPT | call["usage"])
    assert (exact, "settled", "complete", "") == (
        booked(entry),
        entry["state"],
        entry["outcome"],
        entry["estimate"],
    )
