"""The lists of what is known, against what the installed SDKs can send."""

import types
from collections.abc import Iterator
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pytest
from anthropic.types import MessageCreateParams
from anthropic.types.beta import message_create_params as beta_messages
from bounds_samples import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, bounds
from openai.types import EmbeddingCreateParams
from openai.types.chat import CompletionCreateParams
from openai.types.responses import ResponseCreateParams
from typing_extensions import is_typeddict

from meterr.gateway.metering.bounds.fields import BOUNDLESS, HARMLESS
from meterr.gateway.metering.bounds.parts import KNOWN_BLOCKS, KNOWN_ITEMS
from meterr.gateway.metering.bounds.plain import RULED
from meterr.gateway.metering.bounds.reading import RULES

PARAMS: list[tuple[str, Any]] = [
    (CHAT, CompletionCreateParams),
    (RESPONSES, ResponseCreateParams),
    (EMBEDDINGS, EmbeddingCreateParams),
    (MESSAGES, MessageCreateParams),
    (MESSAGES, beta_messages.MessageCreateParams),
]
# Types that are met with as little trust as unknown ones: they bring tools along, or work of their
# own.
DISTRUSTED_ITEMS = {
    "additional_tools",
    "compaction_trigger",
    "configuration_update",
    "tool_search_output",
}
DISTRUSTED_BLOCKS = {"compaction", "tool_addition"}


def dicts_of(shape: Any) -> Iterator[Any]:
    """Yield the typed dicts that ``shape`` may be, or a list of which it may be."""
    if is_typeddict(shape):
        yield shape
    elif get_origin(shape) is not Literal:
        for inner in get_args(shape):
            yield from dicts_of(inner)


def plainly(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired, Annotated):
        hint = get_args(hint)[0]
    return hint


def types_of(shape: Any) -> set[str]:
    """Return the literal values of ``type`` in the typed dicts that ``shape`` may be."""
    found: set[str] = set()
    for each in dicts_of(shape):
        hint = plainly(get_type_hints(each).get("type"))
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]
        for option in options:
            found |= set(get_args(option)) if get_origin(option) is Literal else set()
    return {each for each in found if isinstance(each, str)}


def field_of(params: Any, name: str) -> Any:
    return get_type_hints(next(dicts_of(params)))[name]


@pytest.mark.parametrize(("surface", "params"), PARAMS)
def test_every_parameter_of_the_sdks_has_its_place_in_the_lists(surface: str, params: Any) -> None:
    """P3: a new one fails here, and is placed by someone who has read what it does."""
    sent = {name for each in dicts_of(params) for name in get_type_hints(each)}
    assert set() == sent - HARMLESS[surface] - BOUNDLESS[surface] - RULED[surface]


@pytest.mark.parametrize("surface", [CHAT, RESPONSES, MESSAGES, EMBEDDINGS])
def test_every_field_has_one_place_and_a_rule_where_it_needs_one(surface: str) -> None:
    """The quick and the closer reading know the same fields."""
    assert RULES[surface].keys() == RULED[surface]
    places = [HARMLESS[surface], BOUNDLESS[surface], RULED[surface]]
    assert sum(map(len, places)) == len(frozenset().union(*places))


def test_every_item_of_the_sdk_is_known_or_distrusted() -> None:
    """P3: a new type may bring tools along; until someone looks, it is taken to do so."""
    assert KNOWN_ITEMS | DISTRUSTED_ITEMS == types_of(field_of(ResponseCreateParams, "input"))


def test_every_block_of_the_sdk_is_known_or_distrusted() -> None:
    """P3: a new type may bring tools along; until someone looks, it is taken to do so."""
    sent: set[str] = set()
    for message in dicts_of(field_of(beta_messages.MessageCreateParams, "messages")):
        sent |= types_of(get_type_hints(message)["content"])
    results = {"browser_state", "tool_reference"}  # inside of a tool's result
    assert KNOWN_BLOCKS | DISTRUSTED_BLOCKS == sent | results


@pytest.mark.parametrize(
    ("surface", "params"), [(RESPONSES, ResponseCreateParams), (MESSAGES, PARAMS[-1][1])]
)
def test_every_tool_of_the_sdks_is_bounded_or_refused(surface: str, params: Any) -> None:
    """P3: by its bytes only where it runs at the caller."""
    at_the_caller = ("apply_patch", "bash", "computer", "custom", "function", "local_shell")
    at_the_caller += ("memory", "namespace", "text_editor")
    for kind in types_of(field_of(params, "tools")):
        found = bounds(surface, {"tools": [{"type": kind, "name": "x"}]})
        bounded = found.input_tokens is not None and not found.unseen
        assert not bounded or kind.startswith(at_the_caller)
