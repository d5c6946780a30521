"""The shapes of tools that run at the caller, and the types of those that do not."""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from meterr.gateway.metering.bounds.rendering import Shallow
from meterr.gateway.metering.bounds.shapes import NONE, Strict


class Function(Strict):
    """A function of the caller."""

    name: str
    description: str | None = None
    parameters: Shallow | None = None
    strict: bool | None = None


class ChatFunction(Strict, tag="function"):
    """A function of the caller, as the chat surface writes it."""

    function: Function
    cache_control: Raw = NONE
    strict: bool | None = None


class ChatCustom(Strict, tag="custom"):
    """A tool of the caller that takes text."""

    custom: Shallow


ChatTool = ChatFunction | ChatCustom


class ItemTool(Strict):
    """A tool of the caller, as the responses surface writes it; a namespace holds several."""

    type: Literal["function", "custom", "namespace"]
    name: str
    description: str | None = None
    parameters: Shallow | None = None
    output_schema: Shallow | None = None
    format: Shallow | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: Raw = NONE
    tools: "list[ItemTool] | None" = None
    is_async: bool | None = msgspec.field(default=None, name="async")


class MessagesTool(Strict):
    """A tool of the caller, as the messages surface writes it."""

    name: str
    input_schema: Shallow
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: Raw = NONE
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: Shallow | None = None
    allowed_callers: Raw = NONE


class DefinedTool(Strict):
    """A tool that runs at the caller, but is defined and explained by the provider."""

    type: Annotated[
        str,
        Meta(
            pattern=r"^(?:apply_patch|bash|computer|computer_use|local_shell|memory|text_editor)"
            r"(?:_preview)?(?:_[0-9]+)*\Z"
        ),
    ]
    name: str | None = None
    allowed_callers: Raw = NONE
    cache_control: Raw = NONE
    defer_loading: bool | None = None
    display_height: int | None = None
    display_height_px: int | None = None
    display_number: int | None = None
    display_width: int | None = None
    display_width_px: int | None = None
    enable_zoom: bool | None = None
    environment: str | None = None
    input_examples: Shallow | None = None
    max_characters: int | None = None
    strict: bool | None = None


class AnyTool(msgspec.Struct):
    """What is read of any other tool."""

    type: str | None = None
    max_uses: Any = None


_DATED = r"(?:_preview)?(?:_[0-9]+)*"
SEARCHES = re.compile("web_search" + _DATED)
FETCHES = re.compile("web_fetch" + _DATED)
COUNTED = frozenset({"web_search_20250305", "web_fetch_20250910"})
"""Tools of the messages surface of which ``max_uses`` bounds all work: later ones run code, too."""
BUILT_IN = re.compile("(?:web_search|file_search|code_interpreter)" + _DATED)
"""Tools whose calls ``max_tool_calls`` of the responses surface bounds together."""
NEITHER = re.compile(
    "(?:code_execution|code_interpreter|file_search|mcp|mcp_toolset|programmatic_tool_calling"
    "|shell|tool_search|tool_search_tool_bm25|tool_search_tool_regex)" + _DATED
)
"""Tools that the provider runs and that neither search nor fetch."""
AT_OTHER_PRICES = frozenset({"advisor_20260301", "image_generation"})
"""Tools in which another model works, at prices of its own."""
