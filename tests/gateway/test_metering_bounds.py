"""What bounds a call before it leaves: its tokens in, its tokens out, and its server tools."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway.metering import inject_output_bound, read_request
from meterr.gateway.metering.bounds import (
    IMAGE_TOKENS,
    SOUND_BYTES_PER_TOKEN,
    TEMPLATE_TOKENS,
    TOOL_CALL_TOKENS,
    TOOLS_TOKENS,
    Bounds,
    bounds_of,
)

CHAT, RESPONSES, MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"
WINDOW = 128_000
PACKED = base64.b64encode(b"\xff" * 30_000).decode()
DATA_URL = f"data:image/png;base64,{PACKED}"


def bounds(
    surface: str, fields: dict[str, Any], *, window: int | None = WINDOW, default: int | None = None
) -> Bounds:
    body = json.dumps({"model": "m", **fields}).encode()
    facts = read_request(surface, body)
    return bounds_of(surface, body, facts, window=window, output_default=default)


def said(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def input_of(surface: str, fields: dict[str, Any]) -> int | None:
    return bounds(surface, fields).input_tokens


@given(st.text(max_size=300), st.integers(1, 20))
def test_text_is_bounded_by_its_utf8_bytes(text: str, turns: int) -> None:
    """P3: no tokenizer makes more tokens than bytes; its JSON is longer than its template."""
    found = input_of(CHAT, {"messages": [{"role": "user", "content": text}] * turns})
    assert found is not None
    assert found >= turns * (len(text.encode("utf-8", "surrogatepass")) + 16) + TEMPLATE_TOKENS


def test_text_is_at_most_the_context_window() -> None:
    """P3: what does not fit into the window is refused by the provider, not billed."""
    assert WINDOW == input_of(CHAT, said({"type": "text", "text": "x" * 200_000}))
    assert bounds(CHAT, said({"type": "text", "text": "x" * 200_000}), window=None).input_tokens


def test_a_window_that_the_text_is_far_too_long_for_is_not_believed() -> None:
    """P3: providers sell longer windows than the price list knows; then the bytes bound it."""
    assert WINDOW == input_of(CHAT, {"messages": "x" * (4 * WINDOW - 200)})
    assert (input_of(CHAT, {"messages": "x" * 4 * WINDOW}) or 0) > 4 * WINDOW


@pytest.mark.parametrize(
    ("surface", "part"),
    [
        (CHAT, {"type": "image_url", "image_url": {"url": DATA_URL}}),
        (RESPONSES, {"type": "input_image", "image_url": DATA_URL}),
        (
            MESSAGES,
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PACKED},
            },
        ),
    ],
)
def test_an_image_is_bounded_by_itself_and_not_by_its_bytes(surface: str, part: Any) -> None:
    """P3: a small file may be a large picture, a large one still has only so many tiles."""
    fields = {"input": [part], "messages": [{"role": "user", "content": [part]}]}
    fields.pop("input" if surface != RESPONSES else "messages")
    found = bounds(surface, {**fields, "max_tokens": 5})
    assert found.input_tokens is not None
    assert IMAGE_TOKENS <= found.input_tokens < IMAGE_TOKENS + 400
    assert "input_image" in found.classes


def test_text_that_looks_like_an_image_stays_text() -> None:
    """P3: only what stands where a provider looks for a picture is taken out of the text."""
    text = {"type": "text", "text": DATA_URL}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    found = input_of(CHAT, said(text, image))
    assert found is not None
    assert found > len(DATA_URL) + IMAGE_TOKENS


def test_a_body_of_nothing_but_nesting_is_not_walked() -> None:
    """P3, attack: megabytes of empty lists beside an image would hold up every other call."""
    image = {"type": "image_url", "image_url": {"url": DATA_URL}}
    nested = [[] for _ in range(25_000)]
    found = bounds(CHAT, {**said(image), "nested": nested, "max_tokens": 5}, window=None)
    assert (found.input_tokens or 0) > IMAGE_TOKENS + len(DATA_URL) + len(json.dumps(nested))


def test_sound_is_bounded_by_its_length_and_may_be_billed_as_sound() -> None:
    """P3: no codec takes fewer than 8 bytes for a token of sound."""
    part = {"type": "input_audio", "input_audio": {"data": PACKED, "format": "mp3"}}
    found = bounds(CHAT, {**said(part), "modalities": ["text", "audio"]})
    assert found.input_tokens is not None
    assert len(PACKED) // SOUND_BYTES_PER_TOKEN < found.input_tokens < len(PACKED)
    assert {"input_audio", "output_audio"} <= found.classes


@pytest.mark.parametrize(
    ("surface", "fields"),
    [
        (RESPONSES, {"previous_response_id": "resp_1"}),
        (RESPONSES, {"conversation": "conv_1"}),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
        (RESPONSES, {"input": [{"type": "input_file", "file_id": "file-1"}]}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        (RESPONSES, {"tools": [{"type": "file_search", "vector_store_ids": ["vs"]}]}),
        (RESPONSES, {"tools": [{"type": "nobody_knows_this_tool"}]}),
        (RESPONSES, {"tools": [{"type": "web_search"}]}),
        (CHAT, said({"type": "file", "file": {"file_data": "JVBERi0="}})),
        (CHAT, {"web_search_options": {}}),
        (MESSAGES, said({"type": "document", "source": {"type": "url", "url": "x"}})),
        (MESSAGES, {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
        (MESSAGES, {"mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}),
        (CHAT, {"tools": {"no": "list"}}),
    ],
)
def test_what_the_provider_reads_from_elsewhere_may_fill_the_window(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: nothing in the body says how large it is; without a known window nothing bounds it."""
    assert WINDOW == input_of(surface, fields)
    assert bounds(surface, fields, window=None).input_tokens is None


def test_a_field_given_twice_counts_by_its_dearer_reading() -> None:
    """P3: a provider may take the one that a parser of ours drops."""
    body = b'{"model":"m","previous_response_id":"resp_1","previous_response_id":null}'
    found = bounds_of(RESPONSES, body, read_request(RESPONSES, body), window=WINDOW)
    assert WINDOW == found.input_tokens
    body = b'{"model":"m","tools":[{"type":"web_search"}],"tools":[],"max_output_tokens":80}'
    found = bounds_of(RESPONSES, body, read_request(RESPONSES, body), window=WINDOW)
    assert 80 // TOOL_CALL_TOKENS == found.web_searches


def test_a_name_spelled_with_escapes_may_be_anything() -> None:
    """P3: what cannot be found by its bytes is not thought absent."""
    body = b'{"model":"m","input":[{"type":"input_\\u0066ile"}]}'
    found = bounds_of(RESPONSES, body, read_request(RESPONSES, body), window=WINDOW)
    assert WINDOW == found.input_tokens


def test_a_null_reference_is_none() -> None:
    """Clients send null for what they do not use; that must not cost them the window."""
    assert 200 > (input_of(RESPONSES, {"input": "hi", "previous_response_id": None}) or 0)


def test_tools_of_the_caller_are_text_and_what_the_provider_says_about_them() -> None:
    """P3: their definitions stand in the body; a property called prompt or file is no reference."""
    tool = {
        "type": "function",
        "name": "f",
        "parameters": {"properties": {"prompt": {"type": "string"}, "file": {}}},
    }
    found = input_of(RESPONSES, {"input": "hi", "tools": [tool]})
    assert found is not None
    assert TOOLS_TOKENS < found < TOOLS_TOKENS + 400
    shell = input_of(MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]})
    assert shell is not None
    assert 2 * TOOLS_TOKENS < shell < WINDOW


@pytest.mark.parametrize(
    ("surface", "fields", "default", "window", "expected"),
    [
        (CHAT, {"max_tokens": 5}, None, WINDOW, 5),
        (CHAT, {"max_tokens": 5, "max_completion_tokens": 9, "n": 3}, 2, WINDOW, 27),
        (CHAT, {"n": 3}, 7, WINDOW, 21),
        (CHAT, {}, None, WINDOW, WINDOW),
        (CHAT, {}, None, None, None),
        (RESPONSES, {"max_output_tokens": 0}, 7, WINDOW, 0),
        (MESSAGES, {"max_tokens": 9, "thinking": {"budget_tokens": 4}}, None, WINDOW, 9),
        (MESSAGES, {"max_tokens": 9, "thinking": {"budget_tokens": 40}}, None, WINDOW, 49),
    ],
)
def test_an_answer_is_bounded_by_the_caller_the_key_or_the_window(
    surface: str,
    fields: dict[str, Any],
    default: int | None,
    window: int | None,
    expected: int | None,
) -> None:
    """P3: in this order; reasoning is within the bound, and each of n answers has its own."""
    assert expected == bounds(surface, fields, window=window, default=default).output_tokens


def test_a_predicted_answer_is_billed_where_it_was_wrong() -> None:
    """P3: rejected prediction tokens are billed as output beside the answer."""
    fields = {"max_tokens": 5, "prediction": {"type": "content", "content": "x" * 100}}
    assert 105 < (bounds(CHAT, fields).output_tokens or 0)


@pytest.mark.parametrize(
    ("surface", "fields", "searches", "fetches"),
    [
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "max_uses": 3}]}, 3, 0),
        (MESSAGES, {"tools": [{"type": "web_search_20250305"}]}, 10, 0),
        (MESSAGES, {"tools": [{"type": "web_fetch_20250910", "max_uses": 2}]}, 0, 2),
        (RESPONSES, {"tools": [{"type": "web_search"}], "max_tool_calls": 4}, 4, 0),
        (CHAT, {"web_search_options": {}}, 10, 0),
        (CHAT, {"tools": [{"type": "function"}]}, 0, 0),
    ],
)
def test_a_server_tool_is_used_as_often_as_told_or_as_the_answer_has_room_for(
    surface: str, fields: dict[str, Any], searches: int, fetches: int
) -> None:
    """P3: the model writes every use of a tool, in no less than 8 tokens."""
    bound = {"max_output_tokens" if surface == RESPONSES else "max_tokens": 80}
    found = bounds(surface, {**fields, **bound})
    assert (searches, fetches) == (found.web_searches, found.web_fetches)


def test_embeddings_have_no_answer_and_no_common_window() -> None:
    """P3: each of many texts has a window of its own, so only the bytes bound them all."""
    found = bounds("openai.embeddings", {"input": ["x" * 5_000] * 3}, window=8_192)
    assert 0 == found.output_tokens
    assert 15_000 < (found.input_tokens or 0) < 15_200


@given(st.dictionaries(st.sampled_from(["messages", "tools", "input", "x"]), st.text()))
def test_bounding_an_answer_changes_nothing_else(fields: dict[str, str]) -> None:
    """P8: the one field is set; every other byte is the caller's."""
    body = json.dumps({"model": "m", **fields}).encode()
    edited = inject_output_bound(body, "max_tokens", 7)
    assert {"model": "m", **fields, "max_tokens": 7} == json.loads(edited)
    assert edited.endswith(body[1:])


def test_a_bound_that_is_null_is_written_over() -> None:
    """P8: a field that occurs twice would have two readings."""
    body = b'{"model":"m","x":{"max_tokens":null}, "max_tokens" : null}'
    assert b'{"model":"m","x":{"max_tokens":null}, "max_tokens" : 7}' == inject_output_bound(
        body, "max_tokens", 7
    )
