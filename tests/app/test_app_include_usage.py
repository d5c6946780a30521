"""A chat stream is always asked for its usage; who did not ask does not see that it was."""

import json
from typing import Any

import pytest

from support.conversation import BODIES, CHAT, Conversation, json_of
from support.simulator import Answer
from support.spent import booked, spent


def usage_chunks(answer: Answer) -> list[dict[str, Any]]:
    return [each for each in json_of(answer.body) if not each["choices"] and each.get("usage")]


def assert_exact(talk: Conversation, answer: Answer) -> None:
    assert 200 == answer.status
    assert answer.body.endswith(b"data: [DONE]\n\n")
    call, entry = talk.call(answer), talk.entry(answer)
    assert spent(call["usage"]) == booked(entry) != {}
    assert ("complete", "") == (entry["outcome"], entry["estimate"])


NOT_ASKED = [
    {},
    {"stream_options": None},
    {"stream_options": {}},
    {"stream_options": {"include_usage": False}},
    {"stream_options": {"include_usage": None}},
    {"stream_options": {"include_obfuscation": False}},
    {"stream_options": {"include_usage": False, "include_obfuscation": False}},
    {"user": '"stream_options": {"include_usage": true}'},
    {"metadata": {"stream_options": '{"include_usage": true}'}},
]


@pytest.mark.parametrize("options", NOT_ASKED, ids=json.dumps)
def test_who_did_not_ask_gets_no_usage_chunk_and_an_exact_entry(
    meterr: Conversation, options: dict[str, Any]
) -> None:
    """4.2, 3: the chunk that exists because of us is left out, however stream_options looked."""
    answer = meterr.post(CHAT, {**BODIES[CHAT], "stream": True, **options})
    assert_exact(meterr, answer)
    assert [] == usage_chunks(answer)


@pytest.mark.parametrize("options", NOT_ASKED, ids=json.dumps)
def test_an_odd_stream_options_with_odd_spacing_is_edited_in_its_place(
    meterr: Conversation, options: dict[str, Any]
) -> None:
    """4.2, 3: the same, in a body that no serialiser wrote."""
    text = json.dumps({**options, **BODIES[CHAT], "stream": True}, indent="\t")
    answer = meterr.post(CHAT, text.replace(": ", " : ").encode())
    assert_exact(meterr, answer)
    assert [] == usage_chunks(answer)


def test_who_asked_gets_the_usage_chunk(meterr: Conversation) -> None:
    """4.2, 3: nothing is left out of what was asked for."""
    answer = meterr.post(
        CHAT, {**BODIES[CHAT], "stream": True, "stream_options": {"include_usage": True}}
    )
    assert_exact(meterr, answer)
    (chunk,) = usage_chunks(answer)
    assert chunk["usage"] == meterr.call(answer)["usage"]


def test_only_that_chunk_is_missing(meterr: Conversation) -> None:
    """4.2, 3: every other byte of the stream is the provider's."""
    simulate = {"text": "a b c d", "chunks": 4}
    body = {**BODIES[CHAT], "stream": True, "simulate": simulate}
    without = meterr.post(CHAT, body)
    asked = {**body, "stream_options": {"include_usage": True}}
    whole = meterr.post(CHAT, asked)
    kept = [each for each in whole.body.split(b"\n\n") if b'"choices":[]' not in each]
    assert len(kept) == len(whole.body.split(b"\n\n")) - 1
    assert _anonymous(b"\n\n".join(kept)) == _anonymous(without.body)


def test_usage_inside_the_finishing_chunk_is_kept(meterr: Conversation) -> None:
    """A provider that tells it asked or not (Kimi) is not edited."""
    answer = meterr.simulated(CHAT, {"usage_place": "choice"}, stream=True, model="kimi-k2.6")
    assert_exact(meterr, answer)
    assert any(choice.get("usage") for each in json_of(answer.body) for choice in each["choices"])


@pytest.mark.parametrize("options", [True, "all", 1, [], {"include_usage": "yes"}], ids=json.dumps)
def test_stream_options_of_a_wrong_shape_are_refused_by_name(
    meterr: Conversation, options: Any
) -> None:
    """Bad input: named, and nothing leaves."""
    answer = meterr.post(CHAT, {**BODIES[CHAT], "stream": True, "stream_options": options})
    error = answer.json()["error"]
    assert (400, "stream_options") == (answer.status, error["param"])
    assert "stream_options" in error["message"]
    assert "refused" == meterr.entry(answer)["state"]


def _anonymous(stream: bytes) -> list[Any]:
    """Return the events without what differs between two calls."""
    events = json_of(stream)
    for each in events:
        del each["id"], each["created"]
        each.pop("usage", None)
    return events
