"""What agents and SDKs send back every day: all of it stands in the body, and costs no window."""

from typing import Any

import pytest
from bounds_samples import CHAT, MESSAGES, RESPONSES, WINDOW, bounds, said

USER = {"role": "user", "content": "x"}


def answered(**fields: Any) -> dict[str, Any]:
    return {"messages": [USER, {"role": "assistant", "content": "a", **fields}, USER]}


def called(**fields: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return answered(tool_calls=[{"id": "1", "type": "function", "function": function, **fields}])


SIGNED = {"google": {"thought_signature": "abc"}}
DETAILS = [{"type": "reasoning.text", "text": "r", "signature": "s", "format": "x", "index": 0}]
RESULT: dict[str, Any] = {"type": "search_result", "source": "s", "title": "t"}
RESULT["content"] = [{"type": "text", "text": "x"}]
SHELL = {"type": "local_shell_call", "call_id": "c", "id": "lsh_1", "status": "completed"}
EXEC = {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 9}


def document(source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return said(MESSAGES, {"type": "document", "source": source, **fields})


def resulted(part: dict[str, Any]) -> dict[str, Any]:
    return said(MESSAGES, {"type": "tool_result", "tool_use_id": "t", "content": [part]})


TEXT = {"type": "text", "media_type": "text/plain", "data": "x"}
PIECES = {"type": "content", "content": [{"type": "text", "text": "x"}]}
CITED = {"citations": {"enabled": True}}


@pytest.mark.parametrize(
    ("surface", "fields"),
    [
        (CHAT, called(extra_content=SIGNED)),
        (CHAT, answered(extra_content=SIGNED)),
        (CHAT, answered(parsed={"x": 1})),
        (CHAT, answered(reasoning="r", reasoning_details=DETAILS)),
        (CHAT, answered(provider_specific_fields={"refusal": None})),
        (CHAT, {"session_id": "x", "thinking": {"type": "enabled", "clear_thinking": False}}),
        (MESSAGES, document(TEXT)),
        (MESSAGES, document(PIECES, **CITED)),
        (MESSAGES, said(MESSAGES, RESULT)),
        (MESSAGES, said(MESSAGES, {**RESULT, **CITED})),
        (MESSAGES, resulted({**RESULT, **CITED})),
        (RESPONSES, {"input": [{**SHELL, "action": EXEC}]}),
        (RESPONSES, {"input": [{"type": "local_shell_call_output", "id": "c", "output": "x"}]}),
    ],
)
def test_what_stands_in_the_body_as_text_costs_no_window(
    surface: str, fields: dict[str, Any]
) -> None:
    """Gemini, the SDKs, OpenRouter, LiteLLM, Codex and documents of text; no window needed."""
    assert (bounds(surface, fields, window=None).input_tokens or WINDOW) < 3_000


@pytest.mark.parametrize(
    ("surface", "fields"),
    [
        (CHAT, called(extra_content={"google": {"file": "x"}})),
        (CHAT, answered(provider_specific_fields={"files": ["x"]})),
        (CHAT, answered(reasoning_details=[{"type": "reasoning.reference", "id": "x"}])),
        (MESSAGES, document(TEXT, **CITED)),
        (MESSAGES, said(MESSAGES, {**RESULT, "content": [{"type": "image"}]})),
        (MESSAGES, resulted({"type": "tool_reference", "tool_name": "f"})),
        (RESPONSES, {"input": [SHELL]}),
    ],
)
def test_what_looks_like_it_and_may_hold_more_costs_the_window(
    surface: str, fields: dict[str, Any]
) -> None:
    """P3: a name of something, a text that the provider numbers, a tool to be written out again."""
    assert (bounds(surface, fields).input_tokens or 0) > WINDOW
