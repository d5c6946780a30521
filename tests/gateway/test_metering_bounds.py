"""What bounds a call before it leaves: its tokens in, its tokens out, and its server tools."""

import json
from typing import Any

import pytest
from bounds_samples import (
    BOUND,
    CHAT,
    DATA_URL,
    EMBEDDINGS,
    EVERYDAY,
    MESSAGES,
    PACKED,
    RESPONSES,
    WINDOW,
    body_of,
    bounds,
    bounds_of_body,
    said,
    size_of,
)
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.errors import Invalid
from meterr.gateway.metering import inject_output_bound, read_request
from meterr.gateway.metering.bounds import (
    TEMPLATE_TOKENS,
    TOOL_CALL_TOKENS,
    TOOLS_TOKENS,
)
from meterr.gateway.metering.bounds.attachments import IMAGE_TOKENS

IMAGES = [
    (CHAT, {"type": "image_url", "image_url": {"url": DATA_URL}}),
    (RESPONSES, {"type": "input_image", "image_url": DATA_URL}),
    (MESSAGES, {"type": "image", "source": {"type": "base64", "data": PACKED}}),
]


def input_of(surface: str, fields: dict[str, Any], **terms: Any) -> int:
    found = bounds(surface, fields, **terms).input_tokens
    assert found is not None
    return found


def written(surface: str, fields: dict[str, Any]) -> int:
    """Return the bytes of a request with JSON values, two more for a mark, four for a comma."""
    body = body_of(surface, fields)
    return len(body) + sum(2 * body.count(mark) for mark in b",,:[]{}")


@given(st.text(max_size=300), st.integers(1, 20))
def test_text_is_bounded_by_its_utf8_bytes(text: str, turns: int) -> None:
    """P3: no tokenizer makes more tokens than bytes; its JSON is longer than its template."""
    found = input_of(CHAT, {"messages": [{"role": "user", "content": text}] * turns})
    assert found >= turns * (len(text.encode("utf-8", "surrogatepass")) + 16) + TEMPLATE_TOKENS


@pytest.mark.parametrize("window", [None, 8, WINDOW])
def test_text_is_never_bounded_by_the_context_window(window: int | None) -> None:
    """P3: a price list may state an old window; what is sent is bounded by its bytes alone."""
    fields = said(CHAT, {"type": "text", "text": "x" * 200_000})
    assert size_of(CHAT, fields) + TEMPLATE_TOKENS == input_of(CHAT, fields, window=window)


@pytest.mark.parametrize(("surface", "part"), IMAGES)
def test_an_image_is_bounded_by_itself_and_not_by_its_bytes(surface: str, part: Any) -> None:
    """P3: a small file may be a large picture, a large one still has only so many tiles."""
    found = bounds(surface, {**said(surface, part), BOUND[surface]: 5})
    assert found.input_tokens is not None
    assert IMAGE_TOKENS <= found.input_tokens < IMAGE_TOKENS + 400
    assert "input_image" in found.classes


def test_many_images_take_no_more_than_the_window() -> None:
    """P3: what is not text is bounded by the window, too; where none is known, by their number."""
    fields = said(CHAT, *[IMAGES[0][1]] * 9)
    assert WINDOW < input_of(CHAT, fields) < WINDOW + 2_000
    assert 9 * IMAGE_TOKENS < input_of(CHAT, fields, window=None)


def test_text_that_looks_like_an_image_stays_text() -> None:
    """P3: only what stands where a provider looks for a picture is taken out of the text."""
    text = {"type": "text", "text": DATA_URL}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert input_of(CHAT, said(CHAT, text, image)) > len(DATA_URL) + IMAGE_TOKENS


def test_sound_may_fill_the_window_and_be_billed_as_sound() -> None:
    """P3: a WAV file may have 8 samples a second, so its size says nothing of its length."""
    part = {"type": "input_audio", "input_audio": {"data": PACKED, "format": "mp3"}}
    found = bounds(CHAT, {**said(CHAT, part), "modalities": ["text", "audio"]})
    assert WINDOW < (found.input_tokens or 0) < WINDOW + 400
    assert {"input_audio", "output_audio"} <= found.classes


@pytest.mark.parametrize(
    ("surface", "part"),
    [
        (CHAT, {"type": "file", "file": {"file_data": PACKED, "filename": "a.pdf"}}),
        (RESPONSES, {"type": "input_file", "file_data": PACKED}),
        (MESSAGES, {"type": "document", "source": {"type": "base64", "data": PACKED}}),
    ],
)
def test_a_file_may_fill_the_window_and_its_bytes_are_no_text(surface: str, part: Any) -> None:
    """P3: how much of a file is read, its size does not say."""
    found = bounds(surface, {**said(surface, part), BOUND[surface]: 5})
    assert WINDOW < (found.input_tokens or 0) < WINDOW + 400
    assert found.unseen
    assert bounds(surface, said(surface, part), window=None).input_tokens is None


@pytest.mark.parametrize(
    ("surface", "fields"),
    [
        (
            RESPONSES,
            {"input": "hi", "previous_response_id": None, "conversation": None, "prompt": None},
        ),
        (CHAT, {"web_search_options": None, "prediction": None, "functions": None}),
        (CHAT, {"plugins": [], "models": None, "use_beam_search": False}),
        (MESSAGES, {"mcp_servers": [], "container": None, "inference_geo": "global"}),
        (MESSAGES, {"thread": None, "fallbacks": None, "context_management": {"edits": []}}),
    ],
)
def test_what_is_null_or_empty_is_not_there(surface: str, fields: dict[str, Any]) -> None:
    """Clients send null for what they do not use; that must not cost them the window."""
    assert size_of(surface, fields) + TEMPLATE_TOKENS == input_of(surface, fields)


def test_tools_of_the_caller_are_text_and_what_the_provider_says_about_them() -> None:
    """P3: their definitions stand in the body; a property called prompt or file is no reference."""
    tool = {
        "type": "function",
        "name": "f",
        "parameters": {"properties": {"prompt": {"type": "string"}, "file": {}}},
    }
    fields = {"input": "hi", "tools": [tool]}
    own = written(RESPONSES, fields) + TEMPLATE_TOKENS + TOOLS_TOKENS
    assert own == input_of(RESPONSES, fields)
    shell = {"tools": [{"type": "bash_20250124", "name": "bash"}]}
    own = written(MESSAGES, shell) + TEMPLATE_TOKENS + 2 * TOOLS_TOKENS
    assert own == input_of(MESSAGES, shell)


@pytest.mark.parametrize(
    ("surface", "field"),
    [(CHAT, "response_format"), (RESPONSES, "text"), (MESSAGES, "output_config")],
)
def test_the_shape_of_an_answer_is_explained_to_the_model_like_a_tool(
    surface: str, field: str
) -> None:
    """P3: providers put sentences of their own around a schema."""
    fields: dict[str, Any] = {field: {}}
    assert size_of(surface, fields) + TOOLS_TOKENS <= input_of(surface, fields)


@pytest.mark.parametrize(
    ("surface", "provider", "fields", "default", "window", "expected"),
    [
        (CHAT, "openai", {"max_tokens": 5}, None, WINDOW, 5),
        (CHAT, "openai", {"max_tokens": 5, "max_completion_tokens": 9, "n": 3}, 2, WINDOW, 27),
        (CHAT, "openai", {"max_completion_tokens": 9}, 2, WINDOW, 9),
        (CHAT, "local", {"max_completion_tokens": 9}, 2, WINDOW, 9),
        (CHAT, "local", {"max_completion_tokens": 9}, 20, WINDOW, 20),
        (CHAT, "local", {"max_completion_tokens": 0}, 2, WINDOW, WINDOW),
        (CHAT, "local", {"max_tokens": 5, "max_completion_tokens": 0}, 2, WINDOW, WINDOW),
        (CHAT, "local", {"max_tokens": 5, "max_completion_tokens": 0}, 2, None, None),
        (CHAT, "local", {"max_completion_tokens": 9}, None, WINDOW, WINDOW),
        (CHAT, "local", {"max_tokens": 5, "max_completion_tokens": 9}, 2, WINDOW, 9),
        (CHAT, "local", {"max_tokens": 9, "max_completion_tokens": 5}, 2, WINDOW, 9),
        (CHAT, "moonshotai", {"max_tokens": 5, "max_completion_tokens": 9}, 2, WINDOW, 9),
        (CHAT, "openai", {"n": 3}, 7, WINDOW, 21),
        (CHAT, "openai", {}, None, WINDOW, WINDOW),
        (CHAT, "openai", {}, None, None, None),
        (CHAT, "x-ai", {"max_tokens": 5}, None, WINDOW, 5 + WINDOW),
        (CHAT, "x-ai", {"max_tokens": 5}, None, None, None),
        (CHAT, "perplexity", {"max_tokens": 5, "n": 2}, None, WINDOW, 2 * (5 + WINDOW)),
        (CHAT, "siliconflow", {"max_tokens": 5}, None, WINDOW, 5 + WINDOW),
        (CHAT, "siliconflow", {"max_tokens": 5}, None, None, None),
        (RESPONSES, "a-new-one", {"max_output_tokens": 5}, None, WINDOW, 5 + WINDOW),
        (CHAT, "vllm", {"max_tokens": 5}, None, None, 5),
        (CHAT, "local", {"max_tokens": 5, "enable_thinking": False}, None, WINDOW, 5),
        (CHAT, "local", {"max_tokens": 5, "enable_thinking": True}, None, WINDOW, 5 + WINDOW),
        (CHAT, "local", {"max_tokens": 5, "enable_thinking": "no"}, None, WINDOW, 5 + WINDOW),
        (CHAT, "local", {"max_tokens": 5, "thinking_budget": 3}, None, WINDOW, 8),
        (CHAT, "local", {"max_tokens": 5, "thinking_budget": 3.5}, None, WINDOW, 9),
        (CHAT, "local", {"max_tokens": 5, "thinking_budget": -1}, None, WINDOW, 5 + WINDOW),
        (CHAT, "local", {"max_tokens": 5, "thinking_budget": "9"}, None, WINDOW, 5 + WINDOW),
        (CHAT, "local", {"max_tokens": 5, "thinking_budget": "9"}, None, None, None),
        (CHAT, "openai", {"max_tokens": 0}, 7, WINDOW, 7),
        (CHAT, "local", {"max_tokens": None}, 7, WINDOW, 7),
        (RESPONSES, "openai", {"max_output_tokens": 0}, None, WINDOW, WINDOW),
        (MESSAGES, "anthropic", {"max_tokens": 0}, 7, WINDOW, 0),
        (MESSAGES, "moonshotai", {"max_tokens": 0}, 7, WINDOW, 7),
        (MESSAGES, "anthropic", {"max_tokens": 9, "thinking": {"budget_tokens": 4}}, 1, 1, 9),
        (MESSAGES, "anthropic", {"max_tokens": 9, "thinking": {"budget_tokens": 40}}, 1, 1, 49),
        (MESSAGES, "anthropic", {"max_tokens": 9, "thinking": {"budget_tokens": 4e1}}, 1, 1, 49),
    ],
)
def test_an_answer_is_bounded_by_the_caller_the_key_or_the_window(
    surface: str,
    provider: str,
    fields: dict[str, Any],
    default: int | None,
    window: int | None,
    expected: int | None,
) -> None:
    """P3: in this order; by the caller only where the provider is known to stop there."""
    found = bounds(surface, fields, window=window, default=default, provider=provider)
    assert expected == found.output_tokens


@pytest.mark.parametrize("number", ["60000.0", "6e4", '"60000"', "-1", "1e999", "[5]"])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n"])
def test_a_bound_that_two_parsers_may_read_differently_is_refused(field: str, number: str) -> None:
    """P3: so is every other spelling than plain digits; bounds need not know what it means."""
    body = f'{{"model":"m","messages":[],"{field}":{number}}}'.encode()
    with pytest.raises(Invalid):
        read_request(CHAT, body)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n"])
@pytest.mark.parametrize("again", ["9", "null", "900000"])
def test_a_bound_that_occurs_twice_is_refused(field: str, again: str) -> None:
    """P3: a provider may take either of them."""
    for pair in (f'"{field}":5,"{field}":{again}', f'"{field}":{again},"{field}":5'):
        with pytest.raises(Invalid):
            read_request(CHAT, f'{{"model":"m","messages":[],{pair}}}'.encode())


def test_a_predicted_answer_is_billed_where_it_was_wrong() -> None:
    """P3: rejected prediction tokens are billed as output beside the answer."""
    fields = {"max_tokens": 5, "prediction": {"type": "content", "content": "x" * 100}}
    assert 105 < (bounds(CHAT, fields).output_tokens or 0)


@pytest.mark.parametrize(
    ("surface", "fields", "searches", "fetches", "samplings"),
    [
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "max_uses": 3}]}, 3, 0, 4),
        (MESSAGES, {"tools": [{"type": "web_search_20260209", "max_uses": 3}]}, 3, 0, 11),
        (MESSAGES, {"tools": [{"type": "web_search_20250305"}]}, 10, 0, 11),
        (MESSAGES, {"tools": [{"type": "web_fetch_20250910", "max_uses": 2}]}, 0, 2, 3),
        (MESSAGES, {"tools": [{"type": "web_fetch_20250910", "max_uses": -2}]}, 0, 10, 11),
        (MESSAGES, {"mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}, 0, 0, 11),
        (MESSAGES, {"container": "cntr_1"}, 0, 0, 11),
        (RESPONSES, {"tools": [{"type": "web_search"}], "max_tool_calls": 4}, 4, 0, 5),
        (RESPONSES, {"tools": [{"type": "web_search"}], "max_tool_calls": "4"}, 10, 0, 11),
        (RESPONSES, {"tools": [{"type": "web_search", "max_uses": 1}]}, 10, 0, 11),
        (RESPONSES, {"tools": [{"type": "mcp"}], "max_tool_calls": 4}, 0, 0, 11),
        (RESPONSES, {"tools": [{"type": "code_interpreter"}], "max_tool_calls": 4}, 0, 0, 5),
        (
            RESPONSES,
            {"tools": [{"type": "web_search"}, {"type": "file_search"}], "max_tool_calls": 4},
            4,
            0,
            5,
        ),
        (CHAT, {"web_search_options": {}}, 10, 0, 11),
        (CHAT, {"tools": [{"type": "web_search", "max_uses": 1}]}, 10, 0, 11),
    ],
)
def test_a_server_tool_is_used_as_often_as_told_or_as_the_answer_has_room_for(
    surface: str, fields: dict[str, Any], searches: int, fetches: int, samplings: int
) -> None:
    """P3: each use is written in 8 tokens or more, and after it the prompt is read once more."""
    fields = {**fields, BOUND[surface]: 10 * TOOL_CALL_TOKENS}
    found = bounds(surface, fields)
    assert (searches, fetches) == (found.web_searches, found.web_fetches)
    once = written(surface, fields) + TEMPLATE_TOKENS + TOOLS_TOKENS + WINDOW
    assert samplings * once == found.input_tokens


def test_embeddings_have_no_answer_and_no_common_window() -> None:
    """P3: each of many texts has a window of its own, so only the bytes bound them all."""
    fields = {"input": ["x" * 5_000] * 3}
    found = bounds(EMBEDDINGS, fields, window=8_192)
    assert (size_of(EMBEDDINGS, fields) + TEMPLATE_TOKENS, 0) == found[:2]
    pictures = {"input": [{"image": "https://example.com/a.png"}] * 3}
    found = bounds(EMBEDDINGS, pictures, window=8_192)
    assert (size_of(EMBEDDINGS, pictures) + TEMPLATE_TOKENS + 3 * 8_192, 0) == found[:2]


@given(st.dictionaries(st.sampled_from(["messages", "tools", "input", "x"]), st.text()))
def test_bounding_an_answer_changes_nothing_else(fields: dict[str, str]) -> None:
    """P8: the one field is set; every other byte is the caller's."""
    body = json.dumps({"model": "m", **fields}).encode()
    edited = inject_output_bound(body, "max_tokens", 7)
    assert {"model": "m", **fields, "max_tokens": 7} == json.loads(edited)
    assert edited.endswith(body[1:])


@pytest.mark.parametrize("unset", ["null", "0"])
def test_a_bound_that_sets_none_is_written_over(unset: str) -> None:
    """P8: a field that occurs twice would have two readings."""
    body = f'{{"model":"m","x":{{"max_tokens":{unset}}}, "max_tokens" : {unset}}}'.encode()
    edited = f'{{"model":"m","x":{{"max_tokens":{unset}}}, "max_tokens" : 7}}'.encode()
    assert edited == inject_output_bound(body, "max_tokens", 7)


@pytest.mark.parametrize(("surface", "fields"), EVERYDAY)
def test_a_plain_conversation_is_its_bytes_on_every_surface(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: nothing that people send every day may cost them more than it is."""
    found = bounds_of_body(surface, json.dumps(fields).encode()).input_tokens
    size = size_of(surface, fields) + TEMPLATE_TOKENS
    assert found in (size, written(surface, fields) + TEMPLATE_TOKENS + TOOLS_TOKENS)
