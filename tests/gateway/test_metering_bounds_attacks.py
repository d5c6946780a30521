"""Attacks on the bounds: ways to make a provider read, run or bill more than a body says."""

import json
from typing import Any

import pytest
from bounds_samples import (
    BOUND,
    CHAT,
    DATA_URL,
    EMBEDDINGS,
    MESSAGES,
    PLACE,
    RESPONSES,
    WINDOW,
    body_of,
    bounds,
    bounds_of_body,
    said,
    size_of,
)

from meterr.gateway.metering.bounds import TOOL_CALL_TOKENS, TOOLS_TOKENS
from meterr.gateway.metering.bounds.reading import BRACKETS_MAX, OBJECTS_MAX


def items(*found: Any) -> dict[str, Any]:
    return {"input": list(found)}


READS = [
    ("an unknown field", CHAT, {"knowledge_base": "all"}),
    ("an unknown field", RESPONSES, {"knowledge_base": "all"}),
    ("an unknown field", MESSAGES, {"knowledge_base": "all"}),
    ("a known field in another case", CHAT, {"Messages": []}),
    ("a template for the prompt", CHAT, {"chat_template": "{% for i in range(9999) %}x"}),
    ("a picture's resolution", CHAT, {"mm_processor_kwargs": {"max_pixels": 10**9}}),
    ("a search by field", CHAT, {"enable_search": True}),
    ("a video", CHAT, said(CHAT, {"type": "video_url", "video_url": {"url": "https://x/y"}})),
    ("a sound by address", CHAT, said(CHAT, {"type": "audio_url", "audio_url": {"url": "x"}})),
    ("a document as a picture", CHAT, said(CHAT, {"type": "image_url", "image_url": "data:a/b"})),
    ("a file by id", CHAT, said(CHAT, {"type": "file", "file": {"file_id": "file-1"}})),
    ("an unknown field of text", CHAT, said(CHAT, {"type": "text", "text": "x", "url": "x"})),
    ("text that is no text", CHAT, said(CHAT, {"type": "text", "text": {"file": "x"}})),
    (
        "the sound of an earlier answer",
        CHAT,
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
    ),
    ("an unknown role", CHAT, {"messages": [{"role": "archive", "content": "x"}]}),
    ("an unknown field of a message", CHAT, {"messages": [{"role": "user", "memory": 1}]}),
    ("messages of another shape", CHAT, {"messages": {"thread": "t"}}),
    ("a function's unknown field", CHAT, {"tools": [{"type": "function", "url": "x"}]}),
    ("an item by type and id", RESPONSES, items({"type": "item_reference", "id": "msg_1"})),
    ("an item by id alone", RESPONSES, items({"id": "msg_1"})),
    ("a message by id", RESPONSES, items({"type": "message", "id": "msg_1", "content": []})),
    ("a call by id", RESPONSES, items({"type": "function_call", "id": "fc_1", "name": "f"})),
    ("reasoning by id", RESPONSES, items({"type": "reasoning", "id": "rs_1", "summary": []})),
    ("a search by id", RESPONSES, items({"type": "web_search_call", "id": "ws_1"})),
    ("a screenshot", RESPONSES, items({"type": "computer_call_output", "output": {}})),
    ("an unknown part", RESPONSES, said(RESPONSES, {"type": "input_video", "url": "x"})),
    ("an earlier response", RESPONSES, {"previous_response_id": "resp_1"}),
    ("a conversation", RESPONSES, {"conversation": {"id": "conv_1"}}),
    ("a document by address", MESSAGES, said(MESSAGES, {"type": "document", "source": {}})),
    ("an upload", MESSAGES, said(MESSAGES, {"type": "container_upload", "file_id": "file_1"})),
    ("a tool by name", MESSAGES, said(MESSAGES, {"type": "tool_reference", "tool_name": "f"})),
    (
        "a file in a tool's result",
        MESSAGES,
        said(
            MESSAGES,
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "document", "source": {"type": "url", "url": "x"}}],
            },
        ),
    ),
    ("a thread", MESSAGES, {"thread": {"type": "continue", "previous_message_id": "msg_1"}}),
]


@pytest.mark.parametrize(("surface", "fields"), [each[1:] for each in READS], ids=str)
def test_what_is_read_from_elsewhere_may_fill_the_window(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: beside the body, once, in any class of input; without a known window without a bound."""
    found = bounds(surface, {**fields, BOUND[surface]: 80})
    size = size_of(surface, fields)
    assert size + WINDOW < (found.input_tokens or 0) < size + WINDOW + 3_000
    assert found.unseen
    unknown = bounds(surface, fields, window=None)
    assert unknown.input_tokens is None
    assert unknown.cause in fields


@pytest.mark.parametrize("surface", [CHAT, RESPONSES, MESSAGES])
def test_an_unknown_field_may_make_the_answer_as_long_as_the_window(surface: str) -> None:
    """P3: it may be a bound by another name, or a way to think beside the one that is known."""
    fields = {"most_tokens": 100_000, BOUND[surface]: 80}
    assert 80 + WINDOW == bounds(surface, fields).output_tokens
    assert bounds(surface, fields, window=None).output_tokens is None
    twice = body_of(surface, fields).replace(b"{", b'{"metadata":{},"metadata":{},', 1)
    assert 80 + WINDOW < (bounds_of_body(surface, twice).output_tokens or 0)


RUNS = [
    ("a search", RESPONSES, {"tools": [{"type": "web_search"}]}),
    ("an unknown tool", RESPONSES, {"tools": [{"type": "x_search", "max_uses": 1}]}),
    ("a hosted shell", RESPONSES, {"tools": [{"type": "shell"}]}),
    ("a tool in a namespace", RESPONSES, {"tools": [{"type": "namespace", "tools": [{}]}]}),
    ("tools of another shape", CHAT, {"tools": {"no": "list"}}),
    ("a tool without a type", CHAT, {"tools": [{}]}),
    ("a provider's own tool", CHAT, {"tools": [{"type": "builtin_function"}]}),
    ("a template with tools", RESPONSES, {"prompt": {"id": "pmpt_1"}}),
    ("tools as an item", RESPONSES, items({"type": "additional_tools", "tools": []})),
    ("tools that were found", RESPONSES, items({"type": "tool_search_output"})),
    ("an unknown item", RESPONSES, items({"type": "work_order", "id": "wo_1"})),
    ("an unknown block", MESSAGES, said(MESSAGES, {"type": "work_order"})),
    ("a tool as a block", MESSAGES, said(MESSAGES, {"type": "tool_addition", "tool": {}})),
    (
        "a tool as a block in a message of another shape",
        MESSAGES,
        {"messages": [{"role": "x", "content": [{"type": "tool_addition"}]}]},
    ),
    ("servers", MESSAGES, {"mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}),
    ("a container", MESSAGES, {"container": {"id": "cntr_1", "skills": []}}),
    ("code", MESSAGES, {"tools": [{"type": "code_execution_20250825", "name": "c"}]}),
]


@pytest.mark.parametrize(("surface", "fields"), [each[1:] for each in RUNS], ids=str)
def test_what_may_run_at_the_provider_reads_the_prompt_again_after_each_use(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: as often as the answer has room for calls; an answer without a bound bounds nothing."""
    found = bounds(surface, {**fields, BOUND[surface]: 10 * TOOL_CALL_TOKENS})
    size = size_of(surface, fields)
    assert (found.input_tokens or 0) > 11 * (size + WINDOW)
    assert bounds(surface, fields, window=None).input_tokens is None


BOUNDLESS = [
    ("other models", CHAT, {"models": ["dearest"]}),
    ("a route", CHAT, {"route": "fallback"}),
    ("a choice of providers", CHAT, {"provider": {"order": ["dearest"]}}),
    ("plugins", CHAT, {"plugins": [{"id": "web"}]}),
    ("sources at prices of their own", CHAT, {"search_parameters": {"mode": "on"}}),
    ("several answers for one", CHAT, {"best_of": 20}),
    ("beams", CHAT, {"use_beam_search": True}),
    ("an answer of a kind nobody knows", CHAT, {"modalities": ["text", "video"]}),
    ("other models", MESSAGES, {"fallbacks": [{"model": "dearest"}]}),
    ("a default of other models", MESSAGES, {"fallbacks": "default"}),
    ("an adviser", MESSAGES, {"tools": [{"type": "advisor_20260301", "model": "dearest"}]}),
    ("a place with other prices", MESSAGES, {"inference_geo": "us"}),
    ("a compaction", MESSAGES, {"compaction": {"type": "summarize"}}),
    (
        "a compaction on the way",
        MESSAGES,
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
    ),
    ("a compaction on the way", RESPONSES, {"context_management": [{"type": "compaction"}]}),
    ("drawing", RESPONSES, {"tools": [{"type": "image_generation"}]}),
    ("several samplings", RESPONSES, {"reasoning": {"mode": "pro"}}),
    ("thinking without end", MESSAGES, {"thinking": {"budget_tokens": 1e300}}),
]


@pytest.mark.parametrize(("surface", "fields"), [each[1:] for each in BOUNDLESS], ids=str)
def test_what_goes_by_other_prices_or_samples_at_will_is_not_bounded(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: no bound is better than one that does not hold; the field is named."""
    found = bounds(surface, {**fields, BOUND[surface]: 5})
    assert (None, None) == (found.input_tokens, found.most())
    assert found.cause in fields


@pytest.mark.parametrize(
    ("surface", "text"),
    [
        (RESPONSES, '"previous_response_id":"resp_1","previous_response_id":null'),
        (RESPONSES, '"tools":[{"type":"web_search"}],"tools":[]'),
        (CHAT, '"tools":[{"type":"web_search","type":"function"}]'),
        (RESPONSES, '"input":[{"id":"msg_1"}],"input":[]'),
        (RESPONSES, '"input":[{"id":"msg_1","id":null}]'),
        (CHAT, '"messages":[{"role":"user","content":[{"type":"video_url"}],"content":"x"}]'),
        (MESSAGES, '"mcp_servers":[{"type":"url"}],"mcp_servers":[]'),
        (MESSAGES, '"system":[{"type":"tool_addition"}],"system":""'),
    ],
)
def test_a_field_that_occurs_twice_may_be_anything(surface: str, text: str) -> None:
    """P3: a provider may take the one that a parser of ours drops."""
    place = "" if f'"{PLACE[surface]}"' in text else f'"{PLACE[surface]}":[],'
    body = f'{{"model":"m",{place}"{BOUND[surface]}":80,{text}}}'.encode()
    found = bounds_of_body(surface, body)
    assert (found.input_tokens or 0) > WINDOW + len(body)
    assert (found.web_searches or 0) >= 80 // TOOL_CALL_TOKENS


@pytest.mark.parametrize(
    ("surface", "text"),
    [
        (CHAT, '"models":["dearest"],"models":null'),
        (MESSAGES, '"thinking":{"budget_tokens":900},"thinking":null'),
        (MESSAGES, '"inference_geo":"us","inference_geo":null'),
        (RESPONSES, '"tools":[{"type":"image_generation"}],"tools":[]'),
    ],
)
def test_a_field_that_takes_the_bounds_away_does_so_also_when_it_occurs_twice(
    surface: str, text: str
) -> None:
    """P3: a body that cannot be read may hold whatever it has a word of."""
    body = f'{{"model":"m","{PLACE[surface]}":[],"{BOUND[surface]}":80,{text}}}'.encode()
    assert bounds_of_body(surface, body).input_tokens is None


def test_the_field_that_takes_the_bounds_away_is_named_before_others() -> None:
    """The caller who leaves out what was named gets further, whichever stands first."""
    for fields in ({"odd": 1, "models": ["m"]}, {"models": ["m"], "odd": 1}):
        assert "models" == bounds(CHAT, {**fields, "max_tokens": 5}).cause


def test_inputs_that_cannot_be_counted_have_no_bound() -> None:
    """P3: each of them would have a window of its own."""
    body = b'{"model":"m","input":[{"image":"https://x/y"}],"input":"x"}'
    assert bounds_of_body(EMBEDDINGS, body).input_tokens is None


def test_text_that_occurs_twice_is_text_in_both_readings() -> None:
    """P3: nothing else decodes, and both stand in the body; so this needs no second look."""
    body = b'{"model":"m","messages":[],"messages":[{"role":"user","content":"a","content":"b"}]}'
    assert len(body) < (bounds_of_body(CHAT, body).input_tokens or 0) < len(body) + 100
    tools = b'"tools":[{"name":"f","input_schema":{}}]'
    body = b'{"model":"m","messages":[],"max_tokens":5,%b,"tools":[]}' % tools
    assert len(body) + TOOLS_TOKENS < (bounds_of_body(MESSAGES, body).input_tokens or 0) < WINDOW


def test_a_name_spelled_with_escapes_is_the_name_that_it_spells() -> None:
    """P3: fields are read as a parser reads them, not searched for in bytes."""
    body = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_\\u0066ile"}]}]}'
    assert len(body) + WINDOW < (bounds_of_body(RESPONSES, body).input_tokens or 0)


@pytest.mark.parametrize("surface", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("nested", [[[]] * BRACKETS_MAX, [{}] * (OBJECTS_MAX + 1)])
def test_a_body_of_nothing_but_nesting_is_not_walked(surface: str, nested: list[Any]) -> None:
    """P3, attack: megabytes of empty lists would hold up every other call."""
    image = {"type": "image_url", "image_url": {"url": DATA_URL}}
    fields = {**said(surface, image), "nested": nested, BOUND[surface]: 80}
    found = bounds(surface, fields)
    assert (found.input_tokens or 0) > WINDOW + size_of(surface, fields)
    assert bounds(surface, fields, window=None).input_tokens is None


def test_results_within_results_are_not_followed() -> None:
    """P3, attack: each level of them would be another reading of all that is inside."""
    part: Any = {"type": "image", "source": {"type": "url", "url": "https://x/y"}}
    for _ in range(3):
        part = {"type": "tool_result", "tool_use_id": "t", "content": [part]}
    assert WINDOW < (bounds(MESSAGES, said(MESSAGES, part)).input_tokens or 0) < 2 * WINDOW


def test_nesting_deeper_than_any_stack_is_no_reason_to_fall_over() -> None:
    """P3: what no parser of ours can follow may be anything."""
    deep = "[" * 900 + "]" * 900
    for place in ("nested", "metadata", "tools", "input"):
        fields = {**json.loads(body_of(RESPONSES, {})), place: 0}
        body = json.dumps(fields).replace(": 0}", f": {deep}}}").encode()
        assert bounds_of_body(RESPONSES, body)[:2]
