"""
The shapes of messages, their parts and items, as each surface writes them.

Strict shapes are the allow-list: what decodes into one holds nothing but what is written here. The
decoder checks every value against its shape, also that of a field which occurs again and is then
forgotten, so text that decodes is text in all its readings. ``Raw`` stands for values that are text
to a provider whatever they hold, ``Shallow`` for those that it may write out anew.
"""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from meterr.gateway.metering.bounds.rendering import Shallow, check_arguments

NONE = Raw()
Part = TypeVar("Part")
Cited = TypeVar("Cited")


class Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A shape with no other fields than these."""


class ChatText(Strict, tag="text"):
    """Text in a message of the chat surface."""

    text: str
    cache_control: Raw = NONE
    prompt_cache_breakpoint: Raw = NONE


class Refusal(Strict, tag="refusal"):
    """An earlier refusal."""

    refusal: str


class Called(Strict):
    """A function, and what it was called with."""

    name: str | None = None
    arguments: Shallow | None = None
    parsed_arguments: Shallow | None = None

    def __post_init__(self) -> None:
        if self.arguments is not None:
            check_arguments(self.arguments.value)


class CustomCalled(Strict):
    """A tool that takes text, and what it was called with."""

    name: str | None = None
    input: str | None = None


class _Signature(Strict):
    thought_signature: str | None = None


class _Extra(Strict):
    google: _Signature | None = None


class ChatCall(Strict):
    """An earlier call of one of the caller's tools."""

    function: Called | None = None
    custom: CustomCalled | None = None
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    index: int | None = None
    extra_content: _Extra | None = None
    provider_specific_fields: dict[str, str | None] | None = None


class ReasoningDetail(Strict):
    """Reasoning of an earlier answer, as OpenRouter writes it."""

    type: Literal["reasoning.text", "reasoning.summary", "reasoning.encrypted"]
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None


class ChatMessage(Strict, Generic[Part]):
    """One message of the chat surface. Sound of an earlier answer is remembered by its provider."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ChatCall] | None = None
    tool_call_id: str | None = None
    function_call: Called | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    parsed: Shallow | None = None
    extra_content: _Extra | None = None
    provider_specific_fields: dict[str, str | None] | None = None
    audio: None = None
    annotations: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None
    cache_control: Raw = NONE
    partial: bool | None = None
    prefix: bool | None = None


class InputText(Strict, tag="input_text"):
    """Text in a message of the responses surface."""

    text: str
    prompt_cache_breakpoint: Raw = NONE


class OutputText(Strict, tag="output_text"):
    """Text of an earlier answer."""

    text: str
    annotations: Raw = NONE
    logprobs: Raw = NONE
    parsed: Shallow | None = None


class ReasoningText(Strict, tag="reasoning_text"):
    """Reasoning of an earlier answer."""

    text: str


class SummaryText(Strict, tag="summary_text"):
    """A summary of such reasoning."""

    text: str


class _ShellAction(Strict):
    type: Literal["exec"]
    command: list[str]
    env: dict[str, str] | None = None
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class Item(Strict, Generic[Part]):
    """One item of the responses surface's input, and all of it."""

    type: Literal[
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "local_shell_call_output",
        "reasoning",
    ] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Part] | None = None
    arguments: str | None = None
    parsed_arguments: Shallow | None = None
    action: _ShellAction | None = None
    output: str | list[Part] | None = None
    input: str | None = None
    encrypted_content: str | None = None
    summary: list[SummaryText] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    status: str | None = None
    phase: str | None = None
    caller: Raw = NONE
    is_async: bool | None = msgspec.field(default=None, name="async")

    def __post_init__(self) -> None:
        check_arguments(self.arguments)


class NamedItem(Item[Part], Generic[Part]):
    """An item that may be known to the provider by its name."""

    id: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the item is here, and not only the name of one that the provider remembers."""
        return self.id is None or bool(
            self.content
            or self.arguments
            or self.action
            or self.output
            or self.input
            or self.encrypted_content
        )


class Text(Strict, tag="text"):
    """Text in a message of the messages surface."""

    text: str
    cache_control: Raw = NONE
    citations: Raw = NONE


class Thinking(Strict, tag="thinking"):
    """Thinking of an earlier answer."""

    thinking: str
    signature: str | None = None


class RedactedThinking(Strict, tag="redacted_thinking"):
    """Thinking of an earlier answer, encrypted."""

    data: str


class Uncited(Strict):
    """Citations that are switched off: switched on, the provider explains them."""

    enabled: Literal[False] | None = None


class SearchResult(Strict, Generic[Cited], tag="search_result"):
    """What a search by the caller found."""

    source: str
    title: str
    content: list[Text]
    citations: Cited | UnsetType = UNSET
    cache_control: Raw = NONE


class TextSource(Strict, tag="text"):
    """The text of a document."""

    data: str
    media_type: str | None = None


class ContentSource(Strict, tag="content"):
    """The text of a document, in pieces."""

    content: str | list[Text]


class TextDocument(Strict, tag="document"):
    """A document of text, in a message of the messages surface."""

    source: TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: Uncited | None = None
    cache_control: Raw = NONE


class ToolUse(Strict, tag="tool_use"):
    """An earlier call of one of the caller's tools."""

    id: str
    name: str
    input: Shallow
    cache_control: Raw = NONE
    caller: Raw = NONE
    toolset_name: str | None = None


class ToolResult(Strict, Generic[Part], tag="tool_result"):
    """What one of the caller's tools said."""

    tool_use_id: str
    content: str | list[Part] | None = None
    is_error: bool | None = None
    cache_control: Raw = NONE
    toolset_name: str | None = None


class Message(Strict, Generic[Part]):
    """One message of the messages surface."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Part]
    clear_at: str | None = None
    output_config: Raw = NONE


ChatParts = ChatText | Refusal
ItemParts = InputText | OutputText | Refusal | ReasoningText
ResultParts = Text | SearchResult[Uncited | None] | TextDocument
MessageParts = (
    Text
    | Thinking
    | RedactedThinking
    | ToolUse
    | SearchResult[Uncited | None]
    | TextDocument
    | ToolResult[ResultParts]
)
"""The parts of each surface that are text and nothing else."""
