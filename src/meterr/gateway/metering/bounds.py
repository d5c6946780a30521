"""
Upper bounds on what a call can use, read from its request. Pure; only for calls that are limited.

Of text: no tokenizer makes more tokens than there are UTF-8 bytes, and what a provider's template
adds around a message is shorter than the JSON around it here. So the body's bytes bound its text.
What is not text in the body (images, files, what the provider fetches or remembers) has a bound of
its own, at most the model's context window. docs/explanation/budgets.md has the table.

Where two parsers could read a field differently, the dearer reading counts: what is looked for is
looked for in the bytes, wherever it stands.
"""

import re
from typing import Any, NamedTuple

import msgspec

from meterr.gateway.metering.ambiguity import disguised
from meterr.gateway.metering.request import RequestFacts
from meterr.ledger.worst_case import TEXT_CLASSES, Most

TEMPLATE_TOKENS = 64
"""What a provider adds to a prompt once, beside what it adds to each message."""
TOOLS_TOKENS = 2_048
"""What a provider explains about tools, once, and about each tool that it defines itself."""
IMAGE_TOKENS = 50_000
"""Most tokens of one image: 8 tiles of 5,667 and 2,833 on the dearest list (gpt-4o-mini)."""
SOUND_BYTES_PER_TOKEN = 8
"""Base64 bytes that a token of sound has at least: no codec takes less, at 25 tokens a second."""
USUAL_BYTES_PER_TOKEN = 4
"""Of text. Nobody sends more than a window holds: then a longer one is sold than the one known."""
TOOL_CALL_TOKENS = 8
"""Tokens that a model writes at least to call a server tool: its name and one argument."""
_NESTED_MAX = 20_000
"""Objects and lists of a body that are looked into one by one: the loop stands still meanwhile."""

_WS = rb"[ \t\r\n]*+"
_TYPE = rb'"type"' + _WS + rb":" + _WS + rb'"'
_NOT_NULL = _WS + rb":" + _WS + rb"(?!null)"

# Read by the provider from elsewhere: what it holds is not in the body.
_ELSEWHERE = re.compile(
    rb'"(?:previous_response_id|file_id|file_url|mcp_servers|web_search_options|container)"'
    + _NOT_NULL
    + rb"|"
    + _TYPE
    + rb"(?:input_file|file|document|item_reference|mcp|mcp_toolset|file_search|code_interpreter"
    + rb"|code_execution|web_search|web_fetch|tool_search|image_generation)"
    + rb'(?:_preview)?(?:_[0-9]+)*+"'
)
# How every name that is looked for begins, and the fields that bear on the bounds: a body without
# any of them is text and nothing else. One pattern, from quote to quote: most calls end here.
_SPECIAL = re.compile(
    rb'"(?:previous_response_id"|file|mcp|web_|container"|input_|document"|item_reference"|code_'
    rb'|tool_search|image|computer_|audio"|tools"|thinking"|max_tool_calls"|prediction"'
    rb'|modalities"|prompt"|conversation")'
)
_WEB_SEARCH = re.compile(
    _TYPE + rb'web_search(?:_preview)?(?:_[0-9]+)*+"|"web_search_options"' + _NOT_NULL
)
_WEB_FETCH = re.compile(_TYPE + rb'web_fetch(?:_[0-9]+)*+"')
_IMAGE = re.compile(_TYPE + rb'(?:input_image|image_url|image|computer_screenshot)"')
_SOUND = re.compile(_TYPE + rb'(?:input_audio|audio)"')
_DRAWS = re.compile(_TYPE + rb'image_generation"')

# Tools that run at the caller: a provider's own definition, but nothing fetched by the provider.
_CALLERS_TOOLS = re.compile(
    r"(?:function|custom|computer|computer_use|bash|text_editor|memory|local_shell|shell"
    r"|apply_patch|namespace)(?:_preview)?(?:_[0-9]+)*"
)


class Bounds(NamedTuple):
    """What a call can use at most; None where nothing bounds it."""

    input_tokens: int | None
    output_tokens: int | None
    classes: frozenset[str] = TEXT_CLASSES
    web_searches: int | None = 0
    web_fetches: int | None = 0

    def most(self) -> Most | None:
        """Return the bounds for pricing, or None when one is missing."""
        tokens_in, tokens_out, classes, searches, fetches = self
        if tokens_in is None or tokens_out is None or searches is None or fetches is None:
            return None
        return Most(tokens_in, tokens_out, classes, searches, fetches)

    @property
    def tokens(self) -> int | None:
        """Tokens in and out together."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class _Tool(msgspec.Struct):
    type: Any = None
    max_uses: Any = None


class _Thinking(msgspec.Struct):
    budget_tokens: Any = None


class _Asked(msgspec.Struct):
    """Fields that bear on the bounds and on nothing else; any JSON may stand in them."""

    tools: list[_Tool] | None = None
    thinking: _Thinking | None = None
    max_tool_calls: Any = None
    prediction: msgspec.Raw = msgspec.Raw()
    modalities: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    conversation: msgspec.Raw = msgspec.Raw()


_ASKED = msgspec.json.Decoder(_Asked)


def bounds_of(
    surface: str,
    body: bytes,
    facts: RequestFacts,
    *,
    window: int | None,
    output_default: int | None = None,
) -> Bounds:
    """
    Return the bounds of ``body``, a request of ``surface`` that was read as ``facts``.

    ``window`` is the model's context window in tokens, if known. ``output_default`` bounds each
    answer of a caller who set no bound. A body that cannot be understood is bound by the window.
    """
    if surface == "openai.embeddings":
        # Many texts in one call, each with a window of its own: only the bytes bound them all.
        return Bounds(len(body) + TEMPLATE_TOKENS, 0)
    if not _SPECIAL.search(body) and not disguised(body):
        output = _output_tokens(0, facts, None, window, output_default)
        return Bounds(_within(len(body) + TEMPLATE_TOKENS, window), output)
    try:
        asked = _ASKED.decode(body)
    except (msgspec.DecodeError, RecursionError):  # tools of a shape that we do not know
        asked = None
    output = _output_tokens(len(body), facts, asked, window, output_default)
    input_tokens = _input_tokens(surface, body, asked, window)
    searches = _uses(body, asked, _WEB_SEARCH, "web_search", output)
    fetches = _uses(body, asked, _WEB_FETCH, "web_fetch", output)
    return Bounds(input_tokens, output, _classes(body, asked), searches, fetches)


def _output_tokens(
    size: int,
    facts: RequestFacts,
    asked: _Asked | None,
    window: int | None,
    default: int | None,
) -> int | None:
    each = facts.max_output_tokens
    if each is None:
        each = default if default is not None else window
    if each is None:
        return None
    if asked is not None:
        budget = asked.thinking.budget_tokens if asked.thinking else None
        if isinstance(budget, int) and budget >= each:
            each += budget  # thinking between tool calls may have more than the answer
        if bytes(asked.prediction):
            each += size  # what was predicted and rejected is billed, too
    return each * facts.n


def _input_tokens(
    surface: str, body: bytes, asked: _Asked | None, window: int | None
) -> int | None:
    if asked is None or disguised(body) or _is_elsewhere(surface, body, asked):
        return window
    tokens = len(body) + TEMPLATE_TOKENS
    if asked.tools:
        own = sum(1 for tool in asked.tools if tool.type not in (None, "function", "custom"))
        tokens += TOOLS_TOKENS * (1 + own)
    images = len(_IMAGE.findall(body))
    if images or _SOUND.search(body):
        packed_images, packed_sound = _packed(body)
        tokens += images * IMAGE_TOKENS - packed_images
        tokens += -(-packed_sound // SOUND_BYTES_PER_TOKEN) - packed_sound
    return _within(tokens, window)


def _within(tokens: int, window: int | None) -> int:
    """Return at most ``window``, unless so much was sent that the window must be out of date."""
    if window is None or tokens <= window or tokens > window * USUAL_BYTES_PER_TOKEN:
        return tokens
    return window


def _is_elsewhere(surface: str, body: bytes, asked: _Asked) -> bool:
    if _ELSEWHERE.search(body):
        return True
    if surface == "openai.responses" and (bytes(asked.prompt) or bytes(asked.conversation)):
        return True
    return any(
        not (isinstance(tool.type, str) and _CALLERS_TOOLS.fullmatch(tool.type))
        for tool in asked.tools or ()
        if tool.type is not None
    )


def _packed(body: bytes) -> tuple[int, int]:
    """
    Return how many bytes of ``body`` are images and how many are sound, both in base64.

    Only what stands where a provider looks for it counts, so text is never taken for an image. In a
    body that may nest more than ``_NESTED_MAX`` things nothing is looked for: then it counts whole.
    """
    images = sound = 0
    if body.count(b"{") + body.count(b"[") > _NESTED_MAX:
        return images, sound
    waiting: list[Any] = [msgspec.json.decode(body)]
    while waiting:
        here = waiting.pop()
        if isinstance(here, list):
            waiting += here
        elif isinstance(here, dict):
            match here:
                case {"type": "image_url", "image_url": {"url": str(url)}}:
                    images += _data_chars(url)
                case {"type": "input_image", "image_url": str(url)}:
                    images += _data_chars(url)
                case {"type": "image", "source": {"type": "base64", "data": str(data)}}:
                    images += len(data)
                case {"type": "input_audio", "input_audio": {"data": str(data)}}:
                    sound += len(data)
                case _:
                    waiting += here.values()
    return images, sound


def _data_chars(url: str) -> int:
    return len(url) if url.startswith("data:") else 0


def _uses(
    body: bytes, asked: _Asked | None, marker: re.Pattern[bytes], name: str, output: int | None
) -> int | None:
    """Return how often the server tool ``name`` can be used: as told, else as answers have room."""
    if not marker.search(body):
        return 0
    if asked is not None and body.count(b'"tools"') == 1:
        if _is_count(asked.max_tool_calls):
            return int(asked.max_tool_calls)
        told = [
            tool.max_uses
            for tool in asked.tools or ()
            if isinstance(tool.type, str) and tool.type.startswith(name)
        ]
        if told and all(map(_is_count, told)):
            return int(sum(told))
    return None if output is None else -(-output // TOOL_CALL_TOKENS)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _classes(body: bytes, asked: _Asked | None) -> frozenset[str]:
    found = set(TEXT_CLASSES)
    if _IMAGE.search(body):
        found.add("input_image")
    if _SOUND.search(body):
        found.add("input_audio")
    if _DRAWS.search(body):
        found.add("output_image")
    if asked is None or bytes(asked.modalities):
        if b'"audio"' in body:
            found.add("output_audio")
        if b'"image"' in body:
            found.add("output_image")
    return frozenset(found)
