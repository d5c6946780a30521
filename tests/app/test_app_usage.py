"""What providers report, in all the places they report it, becomes exactly that in the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from support.conversation import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, Conversation
from support.spent import booked

KIMI = {"prompt_tokens": 10_000, "completion_tokens": 100}
KIMI_TOP = {**KIMI, "cached_tokens": 8_000}
KIMI_BOTH = {**KIMI_TOP, "prompt_tokens_details": {"cached_tokens": 8_000}}
KIMI_DETAILS = {**KIMI, "prompt_tokens_details": {"cached_tokens": 8_000}}
KIMI_MESSAGES = {"input_tokens": 2_000, "cache_read_input_tokens": 8_000, "output_tokens": 100}
CLAUDE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 700,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 200},
    "cache_read_input_tokens": 3_000,
    "output_tokens": 50,
    "server_tool_use": {"web_search_requests": 2},
}
PLACES = ["top", "choice", "both"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("usage", [KIMI_TOP, KIMI_BOTH, KIMI_DETAILS], ids=["top", "both", "sub"])
def test_kimi_costs_0_00358_wherever_it_says_so(
    meterr: Conversation, usage: Mapping[str, Any], stream: bool, place: str
) -> None:
    """P1: 10,000 in, of these 8,000 cached, 100 out; said once or twice, never added up."""
    answer = meterr.simulated(
        CHAT, {"usage": usage, "usage_place": place}, model="kimi-k2.6", stream=stream
    )
    entry = meterr.entry(answer)
    assert {"input": 2_000, "cache_read": 8_000, "output": 100} == booked(entry)
    assert (Decimal("0.00358"), "", "settled") == (
        entry["cost_usd"],
        entry["estimate"],
        entry["state"],
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_kimi_costs_the_same_on_its_other_side(
    meterr: Conversation, stream: bool, place: str
) -> None:
    """P1: the same tokens through the Anthropic dialect: disjoint there, the same cost."""
    answer = meterr.simulated(
        MESSAGES, {"usage": KIMI_MESSAGES, "usage_place": place}, model="kimi-k2.6", stream=stream
    )
    entry = meterr.entry(answer)
    assert {"input": 2_000, "cache_read": 8_000, "output": 100} == booked(entry)
    assert (Decimal("0.00358"), "moonshot") == (entry["cost_usd"], entry["upstream"])


@pytest.mark.parametrize("place", [None, *PLACES])
def test_anthropics_cumulative_usage_is_the_last_one(
    meterr: Conversation, place: str | None
) -> None:
    """P1: message_start and message_delta repeat each other; the last value wins, never a sum."""
    where = {} if place is None else {"usage_place": place}
    answer = meterr.simulated(MESSAGES, {"usage": CLAUDE, **where}, stream=True)
    entry = meterr.entry(answer)
    assert {
        "input": 10,
        "cache_write_5m": 500,
        "cache_write_1h": 200,
        "cache_read": 3_000,
        "output": 50,
        "web_search": 2,
    } == booked(entry)
    assert meterr.recomputed(entry) == entry["cost_usd"]


def test_twelve_embedding_tokens_cost_0_00000024_each(meterr: Conversation) -> None:
    """P1: 0.02 USD per million; nothing is rounded away, not once and not in the sum."""
    usage = {"prompt_tokens": 12, "total_tokens": 12}
    entries = [meterr.entry(meterr.simulated(EMBEDDINGS, {"usage": usage})) for _ in range(5)]
    assert {Decimal("0.00000024")} == {entry["cost_usd"] for entry in entries}
    assert Decimal("0.0000012") == sum(entry["cost_usd"] for entry in entries)


def test_reasoning_is_part_of_the_output_and_never_paid_twice(meterr: Conversation) -> None:
    """P1: 100 out, of these 60 reasoning, cost 100."""
    usage = {
        "input_tokens": 1_000,
        "input_tokens_details": {"cached_tokens": 400},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 60},
        "total_tokens": 1_100,
    }
    for stream in (False, True):
        entry = meterr.entry(meterr.simulated(RESPONSES, {"usage": usage}, stream=stream))
        assert {"input": 600, "cache_read": 400, "output": 100, "reasoning": 60} == booked(entry)
        assert meterr.recomputed({**entry, "reasoning": 0}) == entry["cost_usd"]


ABSURD: list[Any] = [
    {"prompt_tokens": -1, "completion_tokens": 5},
    {"prompt_tokens": 10, "completion_tokens": -5},
    {"prompt_tokens": 10**18, "completion_tokens": 5},
    {"prompt_tokens": 1.5, "completion_tokens": 5},
    {"prompt_tokens": "ten", "completion_tokens": 5},
    {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}},
    ["prompt_tokens", 10],
    "much",
    {},
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("usage", [*ABSURD, None], ids=repr)
def test_a_usage_that_cannot_be_is_estimated_and_flagged(
    meterr: Conversation, usage: Any, stream: bool
) -> None:
    """Bad input: missing, negative or absurd usage never becomes a cost as it is, nor 0."""
    answer = meterr.simulated(CHAT, {"usage": usage, "text": "word " * 400}, stream=stream)
    assert 200 == answer.status
    entry = meterr.entry(answer)
    assert entry["error"] in {"usage-missing", "usage-implausible"}
    assert "request-bytes/4+answer-chars/4" == entry["estimate"]
    assert -(-entry["request_bytes"] // 4) == entry["input"]
    assert entry["output"] >= 500
    assert meterr.recomputed(entry) == entry["cost_usd"] > 0


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_the_service_tier_that_answered_is_the_one_that_is_paid(
    meterr: Conversation, tier: str
) -> None:
    """Price contexts: a tier has its own price or none, never the standard one."""
    entry = meterr.entry(meterr.simulated(CHAT, {"tier": tier}))
    standard = meterr.entry(meterr.simulated(CHAT, {"tier": "default"}))
    assert entry["cost_usd"] is None or entry["price_id"] != standard["price_id"]
    assert booked(standard) == booked(entry)


@pytest.mark.parametrize("asked", [False, True], ids=["stripped", "asked"])
def test_a_stream_cut_after_its_usage_is_settled_by_what_was_reported(
    meterr: Conversation, asked: bool
) -> None:
    """P1: only the end mark is missing; an estimate of the text must not overrule the provider."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    cut = {"usage": usage, "text": "x" * 4_000, "chunks": 2, "cut_after": 5}
    answer = meterr.simulated(CHAT, cut, stream=True, stream_options={"include_usage": asked})
    entry = meterr.entry(answer)

    assert {"input": 10, "output": 5} == booked(entry)
    assert ("upstream_cut", "") == (entry["outcome"], entry["estimate"])
