"""Requests of every surface, and their bounds, for the tests of the bounds."""

import base64
import json
from typing import Any

from meterr.gateway.metering import read_request
from meterr.gateway.metering.bounds import Bounds, bounds_of

CHAT, RESPONSES, MESSAGES = "openai.chat", "openai.responses", "anthropic.messages"
EMBEDDINGS = "openai.embeddings"
WINDOW = 128_000
PACKED = base64.b64encode(b"\xff" * 30_000).decode()
DATA_URL = f"data:image/png;base64,{PACKED}"

PLACE = {CHAT: "messages", RESPONSES: "input", MESSAGES: "messages", EMBEDDINGS: "input"}
BOUND = {CHAT: "max_tokens", RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}


def body_of(surface: str, fields: dict[str, Any]) -> bytes:
    """Return a request of ``surface`` with ``fields``, and nothing to say unless they say it."""
    return json.dumps({"model": "m", PLACE[surface]: [], **fields}).encode()


def bounds_of_body(
    surface: str,
    body: bytes,
    *,
    window: int | None = WINDOW,
    default: int | None = None,
    provider: str = "openai",
) -> Bounds:
    """Return the bounds of ``body`` as the gateway asks for them."""
    facts = read_request(surface, body)
    return bounds_of(surface, body, facts, provider=provider, window=window, output_default=default)


def bounds(surface: str, fields: dict[str, Any], **terms: Any) -> Bounds:
    """Return the bounds of a request of ``surface`` with ``fields``."""
    return bounds_of_body(surface, body_of(surface, fields), **terms)


def said(surface: str, *parts: Any) -> dict[str, Any]:
    """Return the field in which a user says ``parts``."""
    return {PLACE[surface]: [{"role": "user", "content": list(parts)}]}


def size_of(surface: str, fields: dict[str, Any]) -> int:
    """Return how many bytes the request of these ``fields`` has."""
    return len(body_of(surface, fields))


EVERYDAY: list[tuple[str, dict[str, Any]]] = [
    (
        CHAT,
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": "hi", "name": "ada"},
                {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "audio": None,
                    "annotations": [],
                    "function_call": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                {"role": "assistant", "content": "42", "reasoning_content": "so"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [{}]}}}],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "temperature": 0.2,
            "stop": ["\n"],
            "metadata": {"anything": {"type": "video_url"}},
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "stream": True,
            "stream_options": {"include_usage": True},
            "modalities": ["text"],
            "n": 2,
            "logit_bias": {"50256": -100},
        },
    ),
    (
        CHAT,
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "top_k": 5,
            "min_p": 0.1,
            "repetition_penalty": 1.1,
            "guided_json": {"type": "object"},
            "enable_thinking": False,
            "thinking": {"type": "enabled"},
            "chat_template_kwargs": {"thinking": True},
            "prompt_cache_key": "a",
        },
    ),
    (
        RESPONSES,
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "hi"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "x"}],
                },
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "x", "annotations": []}],
                },
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": ""},
            ],
            "tools": [
                {"type": "function", "name": "f", "parameters": {}, "strict": False},
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
                {
                    "type": "namespace",
                    "name": "n",
                    "description": "d",
                    "tools": [{"type": "function", "name": "f"}],
                },
            ],
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "text": {"verbosity": "low"},
            "store": False,
            "prompt_cache_key": "a",
            "service_tier": "default",
        },
    ),
    (
        MESSAGES,
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "so", "signature": "Eo"},
                        {"type": "redacted_thinking", "data": "Eo"},
                        {"type": "text", "text": "x", "citations": None},
                        {"type": "tool_use", "id": "t", "name": "f", "input": {"type": "image"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "42"}],
                        },
                        {"type": "tool_result", "tool_use_id": "t", "content": "42"},
                    ],
                },
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}, "description": "d"}],
            "thinking": {"type": "enabled", "budget_tokens": 4},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "high"},
            "metadata": {"user_id": "u"},
            "stop_sequences": ["x"],
            "top_k": 4,
            "stream": True,
        },
    ),
    (EMBEDDINGS, {"model": "m", "input": [[1, 2], [3]], "encoding_format": "base64"}),
    (EMBEDDINGS, {"model": "m", "input": "hi", "dimensions": 256, "user": "u"}),
]
