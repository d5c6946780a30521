"""
The quick reading: a request that is text and nothing else, told by one strict decoding.

Most calls are read no further. The shapes are the allow-list: any field, type or value that is not
in them makes decoding fail, and ``reading`` looks closer. A field that occurs twice needs little
care here: whichever of the two a provider takes was decoded, too. So what counts is whether a field
is there, not what its last value is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from meterr.gateway.metering.ambiguity import disguised
from meterr.gateway.metering.bounds.fields import BOUNDLESS, HARMLESS
from meterr.gateway.metering.bounds.options import Edits, Reasoning, ThinkingConfig
from meterr.gateway.metering.bounds.rendering import DEPTH_MAX, Shallow, decoder, is_shallow
from meterr.gateway.metering.bounds.shapes import (
    NONE,
    ChatMessage,
    ChatParts,
    Item,
    ItemParts,
    Message,
    MessageParts,
    Strict,
    Text,
)
from meterr.gateway.metering.bounds.tool_shapes import ChatTool, Function, ItemTool, MessagesTool

_Empty = Annotated[list[None], Meta(max_length=0)]


class Plain(Strict):
    """A request of text."""

    @property
    def is_explained(self) -> bool:
        """Whether there may be something that the provider explains to the model."""
        return False

    @property
    def thinking_tokens(self) -> int | None:
        """The budget for thinking, 0 for none; None where nothing is said of thinking."""
        return None

    @property
    def calls(self) -> int:
        """How many earlier calls of tools there are that have their arguments as a string."""
        return 0


class _Chat(Plain):
    messages: list[ChatMessage[ChatParts]]
    tools: list[ChatTool] | UnsetType = UNSET
    functions: list[Function] | UnsetType = UNSET
    response_format: Shallow | UnsetType = UNSET
    thinking: ThinkingConfig | UnsetType = UNSET
    enable_thinking: Literal[False] | None = None
    thinking_budget: None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None

    @property
    def calls(self) -> int:
        return sum(
            len(each.tool_calls or ()) + (each.function_call is not None) for each in self.messages
        )

    @property
    def is_explained(self) -> bool:
        return not (self.tools is self.functions is self.response_format is UNSET)

    @property
    def thinking_tokens(self) -> int | None:
        return None if self.thinking is UNSET else self.thinking.budget_tokens or 0


class _Responses(Plain):
    input: str | list[Item[ItemParts]] = ""
    instructions: str | None = None
    tools: list[ItemTool] | UnsetType = UNSET
    text: Shallow | UnsetType = UNSET
    reasoning: Reasoning | None = None
    max_tool_calls: Raw = NONE
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None

    @property
    def calls(self) -> int:
        items = () if isinstance(self.input, str) else self.input
        return sum(each.arguments is not None for each in items)

    @property
    def is_explained(self) -> bool:
        return not (self.tools is self.text is UNSET)


class _Messages(Plain):
    messages: list[Message[MessageParts]]
    system: str | list[Text] | None = None
    tools: list[MessagesTool] | UnsetType = UNSET
    thinking: ThinkingConfig | UnsetType = UNSET
    output_config: Shallow | UnsetType = UNSET
    context_management: Edits | None = None
    mcp_servers: _Empty | None = None
    container: None = None
    inference_geo: Literal["global"] | None = None
    thread: None = None

    @property
    def is_explained(self) -> bool:
        return not (self.tools is self.output_config is UNSET)

    @property
    def thinking_tokens(self) -> int | None:
        return None if self.thinking is UNSET else self.thinking.budget_tokens or 0


class _Embeddings(Plain):
    input: str | list[str | int | list[int]]


def _decoder(surface: str, shape: type[Plain]) -> msgspec.json.Decoder[Plain]:
    """Return a decoder for ``shape`` with every harmless field of ``surface``; others are null."""
    fields: list[tuple[str, Any, Any]] = [(name, Raw, NONE) for name in sorted(HARMLESS[surface])]
    fields += [(name, None, None) for name in sorted(BOUNDLESS[surface])]
    whole = msgspec.defstruct(shape.__name__, fields, bases=(shape,), gc=False)
    return decoder(whole)


_DECODERS: Mapping[str, msgspec.json.Decoder[Plain]] = MappingProxyType(
    {
        "openai.chat": _decoder("openai.chat", _Chat),
        "openai.responses": _decoder("openai.responses", _Responses),
        "anthropic.messages": _decoder("anthropic.messages", _Messages),
        "openai.embeddings": _decoder("openai.embeddings", _Embeddings),
    }
)
RULED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        surface: frozenset(decoder.type.__struct_fields__) - HARMLESS[surface] - BOUNDLESS[surface]
        for surface, decoder in _DECODERS.items()
    }
)
"""The fields of each surface that bear on its bounds, each by a rule of its own."""

PLAIN_BYTES_MAX = 4 * 1024 * 1024
"""More text than a million tokens have: what makes a body longer is found by a closer reading."""


_DEPTH_MAX = 1 + DEPTH_MAX
"""A value that is written out stands in a field, at least."""


def plain(surface: str, body: bytes, *, has_calls: bool) -> Plain | None:
    """
    Return ``body`` if it is text and nothing else, None if it has to be looked at closer.

    ``has_calls`` says whether it may hold earlier calls of tools.
    """
    if len(body) > PLAIN_BYTES_MAX:
        return None
    try:
        found = _DECODERS[surface].decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    # The one number among the shapes: of two, the larger might be the provider's.
    if found.thinking_tokens is not None and (
        body.count(b'"budget_tokens"') > 1 or disguised(body)
    ):
        return None
    # Of arguments in a string, only the last were looked into.
    if has_calls and (body.count(b'"arguments"') > found.calls or disguised(body)):
        return None
    # An object may say twice what a provider writes out, and was heard once.
    if (found.is_explained or has_calls or b'"parsed' in body) and not is_shallow(body, _DEPTH_MAX):
        return None
    return found
