"""Reading the list of tools: those of the caller, and those that the provider runs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from meterr.gateway.metering.bounds.findings import Findings
from meterr.gateway.metering.bounds.parts import read_as
from meterr.gateway.metering.bounds.rendering import decoder
from meterr.gateway.metering.bounds.tool_shapes import (
    AnyTool,
    ChatTool,
    DefinedTool,
    ItemTool,
    MessagesTool,
)

_LIST = msgspec.json.Decoder(list[Raw])
_ANY_TOOL = msgspec.json.Decoder(AnyTool)
_DEFINED = decoder(DefinedTool)
_OF_THE_CALLER: Mapping[str, msgspec.json.Decoder[Any]] = MappingProxyType(
    {
        "openai.chat": decoder(ChatTool),
        "openai.responses": decoder(ItemTool),
        "anthropic.messages": decoder(MessagesTool),
    }
)
_TYPES_OF_THE_CALLER: Mapping[str, frozenset[str | None]] = MappingProxyType(
    {
        "openai.chat": frozenset({"function", "custom"}),
        "openai.responses": frozenset({"function", "custom"}),
        "anthropic.messages": frozenset({None, "custom"}),
    }
)


def read_tools(found: Findings, value: Raw) -> None:
    """Read a list of tools."""
    listed = read_as(_LIST, value)
    if listed is None:
        found.note_anything()
    for each in listed or ():
        _read_tool(found, each)


def _read_tool(found: Findings, value: Raw) -> None:
    found.explained = True
    if read_as(_OF_THE_CALLER[found.surface], value) is not None:
        return
    if read_as(_DEFINED, value) is not None:
        found.defined += 1
        return
    tool = read_as(_ANY_TOOL, value)
    if tool is None:
        found.note_anything()
    elif tool.type in _TYPES_OF_THE_CALLER[found.surface]:
        found.elsewhere = True  # a function as ever, but for a field that is not known
    else:
        found.note_tool(tool)
