"""
The closer reading: what a request holds beside text, found in the few places where it may stand.

What is not known to be harmless is not: an unknown field or value may make its provider read from
elsewhere, and where an unknown type could bring a tool along, run it. A field that occurs twice has
two readings: a body with one, or one that nests too much to be looked at, may hold anything.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from meterr.gateway.metering.ambiguity import disguised
from meterr.gateway.metering.bounds.fields import BOUNDLESS, HARMLESS
from meterr.gateway.metering.bounds.findings import Findings
from meterr.gateway.metering.bounds.options import Edits, Reasoning, ThinkingConfig
from meterr.gateway.metering.bounds.parts import (
    read_as,
    read_items,
    read_messages,
    read_text_or_parts,
)
from meterr.gateway.metering.bounds.plain import PLAIN_BYTES_MAX
from meterr.gateway.metering.bounds.rendering import decoder, is_shallow
from meterr.gateway.metering.bounds.tool_list import read_tools
from meterr.gateway.metering.bounds.tool_shapes import AnyTool, Function
from meterr.gateway.metering.bounds.uses import count_of

OBJECTS_MAX = 20_000
"""Objects of a body that are looked into one by one: the loop stands still meanwhile."""
BRACKETS_MAX = 10 * OBJECTS_MAX
"""Braces and brackets of a body that is looked at, those in its text included: code has many."""

_NOTHING = frozenset({b"null", b"false", b"[]", b"{}"})
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_FUNCTIONS = decoder(list[Function])
_NAMES = msgspec.json.Decoder(list[str])
_LIST = msgspec.json.Decoder(list[Raw])
_EDITS = msgspec.json.Decoder(Edits)
_REASONING = msgspec.json.Decoder(Reasoning)
_THINKING = msgspec.json.Decoder(ThinkingConfig)
_ANY = msgspec.json.Decoder(Any)
_CLASS_OF_MODALITY = MappingProxyType(
    {"text": "output", "audio": "output_audio", "image": "output_image"}
)
# What the rules below may find without a bound: fields, tools and values of fields.
_OTHER_WORDS = (
    *("advisor_20260301", "budget_tokens", "context_management", "image_generation"),
    *("inference_geo", "modalities", "pro"),
)


def read_closely(surface: str, body: bytes) -> Findings:
    """Return what ``body`` holds beside text."""
    found = Findings(surface)
    members = _members(body)
    if members is None:
        found.note_anything()
        found.predicted = found.longer = True
        found.boundless = _may_be_boundless(surface, body)
        return found
    if surface == "openai.responses" and "max_tool_calls" in members:
        limit: Any = read_as(_ANY, members["max_tool_calls"])
        found.calls_together = count_of(limit)
    for name, value in members.items():
        if name not in HARMLESS[surface] and bytes(value) != b"null":
            _read_member(found, name, value)
    return found


def _read_member(found: Findings, name: str, value: Raw) -> None:
    was_bounded = not found.boundless
    if name not in BOUNDLESS[found.surface]:
        RULES[found.surface].get(name, _unknown)(found, value)
    elif bytes(value) not in _NOTHING:
        found.boundless = True
    if (found.boundless and was_bounded) or (found.elsewhere and not found.cause):
        found.cause = name


def _members(body: bytes) -> dict[str, Raw] | None:
    """Return the fields of ``body``; None if one in it occurs twice, or too much is nested."""
    if len(body) > BRACKETS_MAX and body.count(b"{") + body.count(b"[") > BRACKETS_MAX:
        return None
    try:
        json.loads(body, object_pairs_hook=_Once())
        return _MEMBERS.decode(body)
    except (ValueError, RecursionError):  # a DecodeError is a ValueError
        return None


class _Once:
    """Refuse an object in which a field occurs twice, and one too many; keep none of them."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = OBJECTS_MAX

    def __call__(self, pairs: list[tuple[str, Any]]) -> None:
        self._left -= 1
        if self._left < 0 or len(dict(pairs)) != len(pairs):
            raise ValueError


def _may_be_boundless(surface: str, body: bytes) -> bool:
    """Say whether ``body``, which cannot be read, has a word that may take every bound away."""
    if len(body) > PLAIN_BYTES_MAX or surface == "openai.embeddings":
        return True  # too much to be searched; or nobody knows how many inputs
    words = (*BOUNDLESS[surface], *_OTHER_WORDS)
    return disguised(body) or any(b'"%b"' % word.encode() in body for word in words)


def _unknown(found: Findings, _: Raw) -> None:
    found.elsewhere = found.longer = True


def _remembered(found: Findings, _: Raw) -> None:
    found.elsewhere = True


def _nothing(_: Findings, __: Raw) -> None:
    """What this field says was read before all others."""


def _explained(found: Findings, value: Raw) -> None:
    found.explained = True
    found.elsewhere |= not is_shallow(bytes(value))


def _functions(found: Findings, value: Raw) -> None:
    found.explained = True
    if read_as(_FUNCTIONS, value) is None:
        found.elsewhere = True


def _modalities(found: Findings, value: Raw) -> None:
    named = read_as(_NAMES, value)
    if named is None or not _CLASS_OF_MODALITY.keys() >= set(named):
        found.boundless = True
    else:
        found.classes |= {_CLASS_OF_MODALITY[name] for name in named}


def _sound(found: Findings, _: Raw) -> None:
    found.classes.add("output_audio")


def _prediction(found: Findings, _: Raw) -> None:
    found.predicted = True


def _search(found: Findings, _: Raw) -> None:
    found.note_tool(AnyTool("web_search"))


def _thinking(found: Findings, value: Raw) -> None:
    if read_as(_THINKING, value) is None:
        found.elsewhere = True
    config: Any = read_as(_ANY, value)
    budget = config.get("budget_tokens") if isinstance(config, dict) else None
    count = count_of(budget or 0)
    if count is None:
        found.boundless = True
    else:
        found.thinking = count


def _thinking_on(found: Findings, value: Raw) -> None:
    found.longer |= bytes(value) not in _NOTHING


def _thinking_beside(found: Findings, value: Raw) -> None:
    budget: Any = read_as(_ANY, value)
    count = count_of(budget)
    found.thinking_beside = count or 0
    found.longer |= count is None


def _reasoning(found: Findings, value: Raw) -> None:
    if read_as(_REASONING, value) is None:
        found.boundless = True


def _edits(found: Findings, value: Raw) -> None:
    if read_as(_EDITS, value) is None:
        found.boundless = True


def _place(found: Findings, value: Raw) -> None:
    if bytes(value) != b'"global"':
        found.boundless = True  # other places have other prices


def _prompt(found: Findings, _: Raw) -> None:
    found.note_anything()  # it names tools, too


def _servers(found: Findings, value: Raw) -> None:
    if bytes(value) not in _NOTHING:
        found.note_tool(AnyTool("mcp"))


def _container(found: Findings, _: Raw) -> None:
    found.note_tool(AnyTool("code_execution"))


def _inputs(found: Findings, value: Raw) -> None:
    found.elsewhere = True
    listed = read_as(_LIST, value)
    found.inputs = len(listed) if listed else 1


RULES: Mapping[str, Mapping[str, Callable[[Findings, Raw], None]]] = MappingProxyType(
    {
        "openai.chat": {
            "messages": read_messages,
            "tools": read_tools,
            "functions": _functions,
            "response_format": _explained,
            "thinking": _thinking,
            "enable_thinking": _thinking_on,
            "thinking_budget": _thinking_beside,
            "modalities": _modalities,
            "audio": _sound,
            "prediction": _prediction,
            "web_search_options": _search,
        },
        "openai.responses": {
            "input": read_items,
            "instructions": read_text_or_parts,
            "tools": read_tools,
            "text": _explained,
            "reasoning": _reasoning,
            "max_tool_calls": _nothing,
            "previous_response_id": _remembered,
            "conversation": _remembered,
            "prompt": _prompt,
        },
        "anthropic.messages": {
            "messages": read_messages,
            "system": read_text_or_parts,
            "tools": read_tools,
            "thinking": _thinking,
            "output_config": _explained,
            "context_management": _edits,
            "mcp_servers": _servers,
            "container": _container,
            "inference_geo": _place,
            "thread": _remembered,
        },
        "openai.embeddings": {"input": _inputs},
    }
)
