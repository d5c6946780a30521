"""JSON values that a provider writes out anew: they may take more than the bytes that were sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from bounds_samples import CHAT, MESSAGES, RESPONSES, WINDOW, body_of, bounds_of_body, said

from meterr.gateway.metering.bounds.rendering import DEPTH_MAX


def tool(value: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": value}}]}


def call(value: Any) -> dict[str, Any]:
    called = {"function": {"name": "f", "arguments": json.dumps(value)}}
    return {"messages": [{"role": "assistant", "tool_calls": [called]}]}


def use(value: Any) -> dict[str, Any]:
    return said(MESSAGES, {"type": "tool_use", "id": "t", "name": "f", "input": value})


def item(value: Any) -> dict[str, Any]:
    return {"input": [{"type": "function_call", "name": "f", "arguments": json.dumps(value)}]}


PLACES: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    (CHAT, tool),
    (CHAT, call),
    (CHAT, lambda value: {"response_format": value}),
    (CHAT, lambda value: {"functions": [{"name": "f", "parameters": value}]}),
    (MESSAGES, use),
    (MESSAGES, lambda value: {"tools": [{"name": "f", "input_schema": value}]}),
    (RESPONSES, item),
    (RESPONSES, lambda value: {"tools": [{"type": "function", "name": "f", "parameters": value}]}),
]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("surface", "place"), PLACES)
def test_what_is_nested_deeply_or_has_large_floats_may_fill_the_window(
    surface: str, place: Callable[[Any], dict[str, Any]]
) -> None:
    """P3: a template that indents, or prints 9e15 in full, writes far more than was sent."""
    for grows in (nested(DEPTH_MAX + 1), nested(100), [9e15], {"a": -1e9}):
        body = body_of(surface, place(grows))
        assert len(body) + WINDOW < (bounds_of_body(surface, body).input_tokens or 0)
    for stays in (nested(DEPTH_MAX), {"amount": 59.9, "at": 1_700_000_000_000, "to": [-179.5]}):
        body = body_of(surface, place(stays))
        assert (bounds_of_body(surface, body).input_tokens or 0) < len(body) + 3_000


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize(("surface", "place"), PLACES)
def test_every_mark_may_stand_on_a_line_of_its_own(
    surface: str, place: Callable[[Any], dict[str, Any]], indent: int | None
) -> None:
    """P3: for a tokenizer that gives each digit, each mark and each run of blanks a token."""
    for value in ([1] * 2_000, [[{}]] * 2_000, {str(n): n for n in range(2_000)}):
        body = json.dumps(json.loads(body_of(surface, place(value))), separators=(",", ":"))
        shown = json.dumps(value, indent=indent)
        runs = shown.count("\n") * 2 if indent else shown.count(" ")
        least = len("".join(shown.split())) + runs
        assert least <= (bounds_of_body(surface, body.encode()).input_tokens or 0)


def test_arguments_that_occur_twice_are_both_looked_at() -> None:
    """P3: a provider may take the one that a parser of ours drops."""
    deep = json.dumps(json.dumps(nested(40)))
    for pair in (
        f'"arguments":{deep},"arguments":"{{}}"',
        f'"arguments":{deep},"\\u0061rguments":"{{}}"',
    ):
        calls = f'{{"role":"assistant","tool_calls":[{{"function":{{"name":"f",{pair}}}}}]}}'
        body = f'{{"model":"m","messages":[{calls}]}}'.encode()
        found = bounds_of_body(CHAT, body).input_tokens
        assert found is None or found > len(body) + WINDOW
