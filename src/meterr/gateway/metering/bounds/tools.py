"""The shapes of tools: those that run at the caller, and which of the others are used how often."""

import re
from math import ceil
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from meterr.gateway.metering.bounds.shapes import NONE, Strict


class Function(Strict):
    """A function of the caller."""

    name: str
    description: str | None = None
    parameters: Raw = NONE
    strict: bool | None = None


class ChatFunction(Strict, tag="function"):
    """A function of the caller, as the chat surface writes it."""

    function: Function
    cache_control: Raw = NONE
    strict: bool | None = None


class ChatCustom(Strict, tag="custom"):
    """A tool of the caller that takes text."""

    custom: Raw


ChatTool = ChatFunction | ChatCustom


class ItemTool(Strict):
    """A tool of the caller, as the responses surface writes it; a namespace holds several."""

    type: Literal["function", "custom", "namespace"]
    name: str
    description: str | None = None
    parameters: Raw = NONE
    output_schema: Raw = NONE
    format: Raw = NONE
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: Raw = NONE
    tools: "list[ItemTool] | None" = None
    is_async: bool | None = msgspec.field(default=None, name="async")


class MessagesTool(Strict):
    """A tool of the caller, as the messages surface writes it."""

    name: str
    input_schema: Raw
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: Raw = NONE
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: Raw = NONE
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
    input_examples: Raw = NONE
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


class Uses:
    """How often tools of one kind can be used: as often as told, if every one of them is told."""

    __slots__ = ("_known", "_seen", "_told")

    def __init__(self) -> None:
        self._told = 0
        self._seen, self._known = False, True

    def add(self, told: int | None) -> None:
        """Note a tool that can be used ``told`` times, None for a tool without a bound."""
        self._seen = True
        if told is None:
            self._known = False
        else:
            self._told += told

    def __bool__(self) -> bool:
        return self._seen

    def most(self, together: int, room: int | None) -> int | None:
        """Return the most uses: those told, plus ``together``; ``room`` where one is not told."""
        if not self._seen:
            return 0
        return self._told + together if self._known else room


def count_of(value: object) -> int | None:
    """Read a whole number that is not negative, however it is written; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return None
    return ceil(value)
