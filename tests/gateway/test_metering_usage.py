"""Usage objects into disjoint token classes, and what is refused to be one."""

import json
import zlib
from gzip import compress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway import metering
from meterr.ledger.model import INPUT_CLASSES, OUTPUT_CLASSES, Usage
from meterr.ledger.price_context import context_of

SURFACES = (
    "openai.chat",
    "openai.embeddings",
    "openai.responses",
    "anthropic.messages",
    "anthropic.count_tokens",
)
COUNTS = st.integers(0, 10**9)


def _read(surface: str, usage: Any, **more: Any) -> metering.Reading:
    body = {"id": "a", "model": "m", "usage": usage, **more}
    return metering.read_answer(surface, json.dumps(body).encode())


def _chat(**usage: Any) -> metering.Reading:
    return _read("openai.chat", {"prompt_tokens": 100, "completion_tokens": 50} | usage)


def _messages(**usage: Any) -> metering.Reading:
    return _read("anthropic.messages", {"input_tokens": 100, "output_tokens": 50} | usage)


def _sum(usage: Usage | None, classes: tuple[str, ...]) -> int:
    return sum(getattr(usage, each) for each in classes)


def test_kimi_puts_cached_tokens_beside_the_totals() -> None:
    """Issue 2: 10,000 in of which 8,000 cached by the top-level field, 100 out."""
    found = _chat(prompt_tokens=10_000, cached_tokens=8_000, completion_tokens=100)
    assert Usage(input=2_000, cache_read=8_000, output=100) == found.usage


def test_the_field_beside_the_totals_comes_before_the_one_in_the_details() -> None:
    """metering.md 4.4: first the top-level field, else the details."""
    found = _chat(cached_tokens=80, prompt_tokens_details={"cached_tokens": 30})
    assert Usage(input=20, cache_read=80, output=50) == found.usage


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"cache_write_tokens": 60}, Usage(input=40, cache_write_30m=60, output=50)),
        (
            {"cache_write_tokens": 60, "cache_write_tokens_details": {"ttl_12h_tokens": 20}},
            Usage(input=40, cache_write_30m=40, cache_write_12h=20, output=50),
        ),
        (
            {"cache_write_tokens_details": {"ttl_12h_tokens": 20, "ttl_30m_tokens": 1}},
            Usage(input=79, cache_write_30m=1, cache_write_12h=20, output=50),
        ),
        ({"audio_tokens": 5, "image_tokens": 7}, Usage(88, 0, 0, 0, 0, 0, 5, 7, 50)),
        ({"cached_tokens": 90, "image_tokens": 70}, Usage(0, 90, 0, 0, 0, 0, 0, 10, 50)),
        ({"cached_tokens": None, "audio_tokens": None}, Usage(input=100, output=50)),
        (None, Usage(input=100, output=50)),
    ],
)
def test_parts_of_the_prompt_are_counted_once(details: Any, expected: Usage) -> None:
    """metering.md 15: cached tokens are never counted twice."""
    assert expected == _chat(prompt_tokens_details=details).usage


def test_rejected_predictions_are_billed_and_sound_is_its_own_class() -> None:
    """metering.md 4.3: rejected prediction tokens are in the completion total."""
    details = {"audio_tokens": 8, "reasoning_tokens": 20, "rejected_prediction_tokens": 9}
    found = _chat(completion_tokens_details=details)
    assert Usage(input=100, output=42, output_audio=8, reasoning=20) == found.usage


def test_reasoning_counted_beside_the_completion_is_added_to_it() -> None:
    """P1: where the provider's own sum shows it, thinking is not lost from the bill."""
    details = {"reasoning_tokens": 300}
    found = _chat(total_tokens=450, completion_tokens_details=details)
    assert Usage(input=100, output=350, reasoning=300) == found.usage
    assert metering.IMPLAUSIBLE == _chat(completion_tokens_details=details).problem


@given(COUNTS, COUNTS, st.lists(st.integers(0, 1000), min_size=7, max_size=7))
def test_classes_are_never_negative_and_sum_to_the_totals(
    prompt: int, completion: int, parts: list[int]
) -> None:
    """P1: conservation of tokens, or no usage at all."""
    names = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens")
    found = _chat(
        prompt_tokens=prompt,
        completion_tokens=completion,
        prompt_tokens_details=dict(zip(names, parts[:4], strict=True)),
        completion_tokens_details=dict(
            zip(("audio_tokens", "image_tokens", "reasoning_tokens"), parts[4:], strict=True)
        ),
    )
    if found.usage is None:
        assert metering.IMPLAUSIBLE == found.problem
        return
    assert prompt == _sum(found.usage, INPUT_CLASSES)
    assert completion == _sum(found.usage, OUTPUT_CLASSES)
    assert 0 <= min(getattr(found.usage, each) for each in INPUT_CLASSES + OUTPUT_CLASSES)


ODD = [-1, True, False, 1.5, 1e300, 12.0, "12", [1], {}, 10**9 + 1, 10**30]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens", "cached_tokens"])
def test_what_is_no_plausible_count_is_no_usage(field: str, value: object) -> None:
    """Issue 2: usage missing, negative or absurd; nothing is priced by it."""
    found = _chat(**{field: value})
    assert (None, metering.IMPLAUSIBLE, "m") == (found.usage, found.problem, found.model)
    found = _messages(**{field.replace("prompt", "input").replace("completion", "output"): value})
    if field != "cached_tokens":
        assert (None, metering.IMPLAUSIBLE, "m") == (found.usage, found.problem, found.model)


@pytest.mark.parametrize(
    ("surface", "usage"),
    [
        ("openai.chat", None),
        ("openai.chat", {}),
        ("openai.chat", {"prompt_tokens": 3}),
        ("openai.embeddings", {"total_tokens": 3}),
        ("openai.responses", {"input_tokens": 3, "output_tokens": None}),
        ("anthropic.messages", {"output_tokens": 3}),
        ("anthropic.messages", None),
    ],
)
def test_a_total_that_was_not_told_is_missing_not_zero(surface: str, usage: Any) -> None:
    """P1: unknown is never 0."""
    found = _read(surface, usage)
    assert (None, metering.MISSING) == (found.usage, found.problem)


def test_an_explicit_zero_stays_zero() -> None:
    """metering.md 21: zero usage is never replaced by an estimate."""
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 0, "output_tokens": 0}
    for surface in SURFACES:
        found = _read(surface, zero)
        assert (Usage(), "") == (found.usage, found.problem)


def test_odd_fields_elsewhere_do_not_lose_the_usage() -> None:
    """A relative's answer may have a number as id, NaN in its logprobs or half a surrogate."""
    usage = '"usage":{"prompt_tokens":3,"completion_tokens":4}'
    for odd in ('"id":7', '"x":NaN', '"x":"\\ud83d"', '"service_tier":{}', '"choices":"none"'):
        found = metering.read_answer("openai.chat", f"\ufeff{{{odd},{usage}}}".encode())
        assert Usage(input=3, output=4) == found.usage


@given(st.permutations(["a", "b", "c"]), st.integers(1, 4))
def test_order_and_repetition_of_fields_change_nothing(order: list[str], times: int) -> None:
    """Issue 2: any order of repeated usage fields; the last value wins, never a sum."""
    fields = {
        "a": '"prompt_tokens":9',
        "b": '"completion_tokens":4',
        "c": '"prompt_tokens_details":{"cached_tokens":5}',
    }
    usage = ",".join([fields[each] for each in order] * times)
    body = f'{{"usage":{{"prompt_tokens":1}},"usage":{{{usage}}}}}'.encode()
    assert Usage(input=4, cache_read=5, output=4) == metering.read_answer("openai.chat", body).usage


def test_hosted_tools_of_responses_are_counted_or_named() -> None:
    """Searches have their class; a picture's tokens belong to another model's price."""
    usage = {"input_tokens": 1, "output_tokens": 2}
    tools = {"web_search": {"num_requests": 3}, "image_gen": {"total_tokens": 0}}
    found = _read("openai.responses", usage, tool_usage=tools)
    assert (Usage(input=1, output=2, web_search=3), "") == (found.usage, found.problem)
    found = _read("openai.responses", usage, tool_usage={"image_gen": {"total_tokens": 4}})
    assert (Usage(input=1, output=2), metering.PARTIAL) == (found.usage, found.problem)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"cache_creation_input_tokens": 9}, Usage(input=100, cache_write_5m=9, output=50)),
        (
            {"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
            Usage(input=100, cache_write_5m=2, cache_write_1h=3, output=50),
        ),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_1h_input_tokens": 3},
            },
            Usage(input=100, cache_write_1h=9, output=50),
        ),
        ({"cache_read_input_tokens": 9}, Usage(input=100, cache_read=9, output=50)),
    ],
)
def test_anthropic_input_excludes_the_cache(told: Any, expected: Usage) -> None:
    """metering.md 15: nothing is taken off the input, and each lifetime is its own class."""
    assert expected == _messages(**told).usage


def test_anthropic_parts_beyond_their_total_are_implausible() -> None:
    """Details larger than totals are no usage."""
    parts = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 5}
    found = _messages(cache_creation_input_tokens=9, cache_creation=parts)
    assert metering.IMPLAUSIBLE == found.problem
    found = _messages(output_tokens_details={"thinking_tokens": 51})
    assert metering.IMPLAUSIBLE == found.problem


def _iteration(kind: str, model: str | None = None, output: int = 7) -> dict[str, Any]:
    return {"type": kind, "model": model, "input_tokens": 5, "output_tokens": output}


@pytest.mark.parametrize(
    ("iterations", "expected", "problem"),
    [
        ([_iteration("message"), _iteration("message", "m")], Usage(100, output=50), ""),
        ([_iteration("compaction"), _iteration("message")], Usage(105, output=57), ""),
        ([_iteration("message"), _iteration("advisor_message", "x")], None, metering.PARTIAL),
        ([_iteration("message", "x"), _iteration("fallback_message", "m")], None, "partial"),
        (
            [_iteration("message", "x", 0), _iteration("fallback_message", "m")],
            Usage(100, output=50),
            "",
        ),
        ([_iteration("what comes next")], None, metering.PARTIAL),
        ([], Usage(100, output=50), ""),
    ],
)
def test_work_outside_the_totals_is_added_or_named(
    iterations: Any, expected: Usage | None, problem: str
) -> None:
    """metering.md 16: billed by iteration where one price fits, else said to be partial."""
    found = _messages(iterations=iterations)
    assert (expected or Usage(100, output=50), problem) == (found.usage, found.problem)


def test_fast_mode_is_the_tier_that_decides_the_price() -> None:
    """metering.md 4.5: speed and service tier are told separately."""
    assert "fast" == _messages(service_tier="standard", speed="fast").tier
    assert "priority" == _messages(service_tier="priority", speed="standard").tier
    assert "flex" == _read("openai.chat", None, service_tier="flex").tier


@pytest.mark.parametrize("geo", ["", None, "global", "not_available"])
def test_work_done_anywhere_is_billed_as_standard(geo: str | None) -> None:
    """P1: the usual places leave the tier as it was told."""
    assert "standard" == _messages(service_tier="standard", inference_geo=geo).tier
    assert "fast" == _messages(speed="fast", inference_geo=geo).tier
    assert "" == _messages(inference_geo=geo).tier


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"inference_geo": "us"}, "geo:us"),
        ({"inference_geo": "us", "service_tier": "standard", "speed": "standard"}, "geo:us"),
        ({"inference_geo": "eu", "service_tier": "priority"}, "priority+geo:eu"),
        ({"inference_geo": "us", "speed": "fast"}, "fast+geo:us"),
        ({"speed": "fast", "service_tier": "batch"}, "batch+fast"),
        ({"speed": "warp"}, "warp"),
        ({"inference_geo": "GLOBAL"}, "geo:GLOBAL"),
    ],
)
def test_work_that_costs_more_is_never_taken_for_standard(told: Any, tier: str) -> None:
    """P1: in the United States a token costs 1.1 times as much; no list says so, so no price is."""
    found = _messages(**told)
    assert (tier, Usage(input=100, output=50)) == (found.tier, found.usage)
    assert context_of(found.tier) is None


@given(st.sampled_from(SURFACES), st.binary(max_size=200))
def test_no_bytes_make_reading_fail(surface: str, body: bytes) -> None:
    """A provider's garbage is a problem code, never an exception."""
    assert metering.read_answer(surface, body).problem in {"", "missing", "unreadable"}


@pytest.mark.parametrize("surface", SURFACES[:4])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"7", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"9" * 9999],
)
def test_what_is_no_json_object_is_unreadable(surface: str, body: bytes) -> None:
    """Issue 2: upstream HTML, garbage, deep JSON."""
    assert metering.UNREADABLE == metering.read_answer(surface, body).problem


def test_counting_tokens_is_free() -> None:
    """A count costs nothing, whatever the answer."""
    for body in (b'{"input_tokens":12}', b"garbage"):
        assert Usage() == metering.read_answer("anthropic.count_tokens", body).usage


@given(st.binary(max_size=5000), st.integers(1, 3))
def test_content_encodings_are_undone(body: bytes, members: int) -> None:
    """Answers may be compressed although we did not ask."""
    raw = zlib.compressobj(wbits=-15)
    assert body == metering.decoded(raw.compress(body) + raw.flush(), "deflate", 10**5)
    assert body == metering.decoded(zlib.compress(body), "Deflate ", 10**5)
    assert body * members == metering.decoded(compress(body) * members, "gzip", 10**5)
    assert body == metering.decoded(body, "identity", 10**5)


_NOT_DECODED = {
    "bomb": (compress(b"x" * 1001), "gzip"),
    "bomb in two members": (compress(b"x" * 900) * 2, "gzip"),
    "a thousand empty members": (compress(b"") * 1000, "gzip"),
    "cut short": (compress(b"x" * 500)[:-1], "gzip"),
    "junk behind": (compress(b"x") + b"junk", "gzip"),
    "empty": (b"", "gzip"),
    "too long as it is": (b"x" * 1001, ""),
    "unknown encoding": (b"x", "br"),
    "twice": (compress(compress(b"x")), "gzip, gzip"),
    "no zlib": (b"not zlib", "deflate"),
}


# A packed body holds the time of packing: an identifier made of it would differ between workers.
@pytest.mark.parametrize(("body", "encoding"), _NOT_DECODED.values(), ids=_NOT_DECODED)
def test_a_bomb_or_a_damaged_body_is_not_decoded(body: bytes, encoding: str) -> None:
    """At most the limit comes out; half an answer is none."""
    assert None is metering.decoded(body, encoding, 1000)
    assert b"x" * 1000 == metering.decoded(compress(b"x" * 1000), "gzip", 1000)
