"""Reading messages, items and their parts: which of them are text, and what the others take."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from meterr.gateway.metering.bounds.attachments import (
    IMAGE_TOKENS,
    ChatFile,
    ChatImage,
    Document,
    Image,
    InputFile,
    InputImage,
    Sound,
)
from meterr.gateway.metering.bounds.findings import Findings
from meterr.gateway.metering.bounds.rendering import decoder
from meterr.gateway.metering.bounds.shapes import (
    ChatMessage,
    ChatParts,
    ItemParts,
    Message,
    NamedItem,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

_Shape = TypeVar("_Shape")

_CHAT = ChatParts | ChatImage | Sound | ChatFile
_ITEMS = ItemParts | InputImage | InputFile
_MESSAGES = (
    Text
    | Thinking
    | RedactedThinking
    | ToolUse
    | ToolResult[Raw]
    | SearchResult[Raw]
    | Image
    | Document
)
_PARTS: Mapping[str, msgspec.json.Decoder[Any]] = MappingProxyType(
    {
        "openai.chat": decoder(_CHAT),
        "openai.responses": decoder(_ITEMS),
        "anthropic.messages": decoder(_MESSAGES),
    }
)

# Types of which no more than their text is known, or which name what the provider remembers. None
# of them brings a tool along that the request does not name. The types of shapes are among them,
# because they may have a field that is not known.
KNOWN_ITEMS = frozenset(
    {
        *("apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction"),
        *("computer_call", "computer_call_output", "custom_tool_call", "custom_tool_call_output"),
        *("file_search_call", "function_call", "function_call_output", "image_generation_call"),
        *("item_reference", "local_shell_call", "local_shell_call_output"),
        *("mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools"),
        *("message", "program", "program_output", "reasoning", "shell_call"),
        *("shell_call_output", "tool_search_call", "web_search_call"),
    }
)
KNOWN_BLOCKS = frozenset(
    {
        *("advisor_tool_result", "bash_code_execution_tool_result", "browser_state"),
        *("code_execution_tool_result", "container_upload", "document", "fallback", "image"),
        *("mcp_tool_listing", "mcp_tool_result", "mcp_tool_use", "redacted_thinking"),
        *("search_result", "server_tool_use", "text", "text_editor_code_execution_tool_result"),
        *("thinking", "tool_reference", "tool_removal", "tool_result"),
        *("tool_search_tool_result", "tool_use", "web_fetch_tool_result"),
        "web_search_tool_result",
    }
)


class _Typed(msgspec.Struct):
    type: str = "message"


class _Content(msgspec.Struct):
    content: str | list[Raw] | None = None


_TYPED = msgspec.json.Decoder(_Typed)
_CONTENT = msgspec.json.Decoder(_Content)
_LIST = msgspec.json.Decoder(list[Raw])
_TEXT = msgspec.json.Decoder(str)
_ITEM = decoder(NamedItem[Raw])
_MESSAGE: Mapping[str, msgspec.json.Decoder[Any]] = MappingProxyType(
    {
        "openai.chat": decoder(ChatMessage[Raw]),
        "anthropic.messages": decoder(Message[Raw]),
    }
)


def read_as(decoder: msgspec.json.Decoder[_Shape], value: Raw) -> _Shape | None:
    """Return ``value`` in the shape of ``decoder``, None if it has another."""
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def read_messages(found: Findings, value: Raw) -> None:
    """Read the messages of the chat or the messages surface."""
    messages = read_as(_LIST, value)
    if messages is None:
        _note_unknown(found, value)
    for each in messages or ():
        message = read_as(_MESSAGE[found.surface], each)
        if message is None:
            found.elsewhere = True
            message = read_as(_CONTENT, each)
        if message is None:
            _note_unknown(found, each)
        else:
            read_parts(found, message.content)


def read_items(found: Findings, value: Raw) -> None:
    """Read the input of the responses surface."""
    items = [] if read_as(_TEXT, value) is not None else read_as(_LIST, value)
    if items is None:
        found.note_anything()
    for each in items or ():
        item = read_as(_ITEM, each)
        if item is None:
            _note_unknown(found, each, KNOWN_ITEMS)
            continue
        if not item.is_whole:
            found.elsewhere = True
        read_parts(found, item.content)
        read_parts(found, item.output)


def read_text_or_parts(found: Findings, value: Raw) -> None:
    """Read instructions, which are text in one piece or in several."""
    if read_as(_TEXT, value) is None:
        parts = read_as(_LIST, value)
        if parts is None:
            found.note_anything()
        read_parts(found, parts)


def read_parts(found: Findings, parts: str | list[Raw] | None) -> None:
    """Read the parts of one message."""
    for each in parts if isinstance(parts, list) else ():
        part = read_as(_PARTS[found.surface], each)
        if isinstance(part, ToolResult):
            for inner in part.content if isinstance(part.content, list) else ():
                _note_part(found, read_as(_PARTS[found.surface], inner), inner)
        else:
            _note_part(found, part, each)


def _note_part(found: Findings, part: object, value: Raw) -> None:
    match part:
        case ChatImage() | InputImage() | Image():
            found.packed += part.packed
            found.beside += IMAGE_TOKENS
            found.classes.add("input_image")
        case Sound():
            found.packed += part.packed
            found.elsewhere = True  # a low rate puts hours into few bytes
            found.classes.add("input_audio")
        case Document(is_here=True) | SearchResult():
            found.explained = True  # how to cite them
        case ChatFile() | InputFile() | Document():
            found.packed += part.packed
            found.elsewhere = True
        case None | ToolResult():  # a result has none in it: each level would be read once more
            _note_unknown(found, value)


def _note_unknown(found: Findings, value: Raw, known: frozenset[str] | None = None) -> None:
    """Note something of another shape than any that is known: ``known`` types read elsewhere."""
    if known is None and found.surface == "anthropic.messages":
        known = KNOWN_BLOCKS
    typed = read_as(_TYPED, value)
    if known is None or (typed is not None and typed.type in known):
        found.elsewhere = True
    else:
        found.note_anything()
