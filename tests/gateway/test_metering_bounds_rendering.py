"""JSON values that a provider writes out anew: they may take more than the bytes that were sent."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from bounds_samples import CHAT, MESSAGES, RESPONSES, WINDOW, body_of, bounds_of_body, said
from hypothesis import given
from hypothesis import strategies as st

from meterr.gateway.metering.bounds.rendering import DEPTH_MAX, Shallow, decoder, is_shallow


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


@pytest.mark.parametrize("first", [nested(40), 9e15, [[1], -1e9]])
@pytest.mark.parametrize(("surface", "place"), PLACES)
def test_what_an_object_says_twice_is_looked_at_twice(
    surface: str, place: Callable[[Any], dict[str, Any]], first: Any
) -> None:
    """P3: a provider may write out the one that a parser of ours drops."""
    doubled = f'{{"a":{json.dumps(first)},"a":1}}'
    body = body_of(surface, place("@")).decode()
    body = body.replace('\\"@\\"', json.dumps(doubled)[1:-1]).replace('"@"', doubled)
    assert doubled.replace('"', "") in body.replace("\\", "").replace('"', "")
    found = bounds_of_body(surface, body.encode()).input_tokens
    assert found is None or found > len(body) + WINDOW


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "object", "properties": {"a": {"enum": ["[[[[[[[[[[[[[[[", "9e15", "\\\\\\""]}}}',
        "[" * DEPTH_MAX + "]" * DEPTH_MAX,
        '["9e99", 99999999999999999999, -999.5, 1e-7, 0.0, -0.0]',
    ],
)
def test_a_value_is_judged_by_its_text_as_by_itself(text: str) -> None:
    """Brackets and numbers in strings are text; the two ways to look agree."""
    assert is_shallow(text.encode())
    assert isinstance(decoder(Shallow).decode(text), Shallow)
    for grows in (f"[{text},{'[' * DEPTH_MAX}{']' * DEPTH_MAX}]", f'{{"a": {text}, "b": 1e3}}'):
        assert not is_shallow(grows.encode())
        with pytest.raises(msgspec.ValidationError):
            decoder(Shallow).decode(grows)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@given(_VALUES, st.sampled_from([None, 2]))
def test_both_ways_to_look_agree_on_every_value(value: Any, indent: int | None) -> None:
    """What is decoded and what is scanned are one rule."""
    text = json.dumps(value, indent=indent)
    try:
        decoder(Shallow).decode(text)
        shallow = True
    except msgspec.DecodeError:
        shallow = False
    assert shallow is is_shallow(text.encode())
