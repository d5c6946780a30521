"""
The quick reading: a request that is text and nothing else, told by one strict decoding.

Most calls are read no further. The shapes are the allow-list: any field, type or value that is not
in them makes decoding fail, and ``reading`` looks closer. A field that occurs twice needs no care
here: whichever of the two a provider takes was decoded, too.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Raw

from meterr.gateway.metering.bounds.fields import BOUNDLESS, HARMLESS
from meterr.gateway.metering.bounds.options import Edits, Reasoning, ThinkingConfig
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
from meterr.gateway.metering.bounds.tools import ChatTool, Function, ItemTool, MessagesTool

_Empty = Annotated[list[None], Meta(max_length=0)]


class Plain(Strict):
    """A request of text."""

    @property
    def explained(self) -> object:
        """Something that the provider explains to the model, if there is any."""
        return None

    @property
    def thinking_tokens(self) -> int:
        """The budget for thinking, 0 for none."""
        return 0

    @property
    def is_whole(self) -> bool:
        """Whether everything that it speaks of is in it."""
        return True


class _Chat(Plain):
    messages: list[ChatMessage[ChatParts]]
    tools: list[ChatTool] | None = None
    functions: list[Function] | None = None
    response_format: Raw = NONE
    thinking: ThinkingConfig | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None

    @property
    def explained(self) -> object:
        return self.tools or self.functions or self.response_format

    @property
    def thinking_tokens(self) -> int:
        return (self.thinking and self.thinking.budget_tokens) or 0


class _Responses(Plain):
    input: str | list[Item[ItemParts]] = ""
    instructions: str | None = None
    tools: list[ItemTool] | None = None
    text: Raw = NONE
    reasoning: Reasoning | None = None
    max_tool_calls: Raw = NONE
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None

    @property
    def explained(self) -> object:
        return self.tools or self.text

    @property
    def is_whole(self) -> bool:
        return isinstance(self.input, str) or all(item.is_whole for item in self.input)


class _Messages(Plain):
    messages: list[Message[MessageParts]]
    system: str | list[Text] | None = None
    tools: list[MessagesTool] | None = None
    thinking: ThinkingConfig | None = None
    output_config: Raw = NONE
    context_management: Edits | None = None
    mcp_servers: _Empty | None = None
    container: None = None
    inference_geo: Literal["global"] | None = None
    thread: None = None

    @property
    def explained(self) -> object:
        return self.tools or self.output_config

    @property
    def thinking_tokens(self) -> int:
        return (self.thinking and self.thinking.budget_tokens) or 0


class _Embeddings(Plain):
    input: str | list[str | int | list[int]]


def _decoder(surface: str, shape: type[Plain]) -> msgspec.json.Decoder[Plain]:
    """Return a decoder for ``shape`` with every harmless field of ``surface``; others are null."""
    fields: list[tuple[str, Any, Any]] = [(name, Raw, NONE) for name in sorted(HARMLESS[surface])]
    fields += [(name, None, None) for name in sorted(BOUNDLESS[surface])]
    whole = msgspec.defstruct(shape.__name__, fields, bases=(shape,), gc=False)
    return msgspec.json.Decoder(cast("type[Plain]", whole))


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

PLAIN_BYTES_MAX = 8 * 1024 * 1024
"""More text than any model reads. What makes a body longer is looked for in the closer reading."""


def plain(surface: str, body: bytes) -> Plain | None:
    """Return ``body`` if it is text and nothing else, None if it has to be looked at closer."""
    if len(body) > PLAIN_BYTES_MAX:
        return None
    try:
        found = _DECODERS[surface].decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if found.is_whole else None
