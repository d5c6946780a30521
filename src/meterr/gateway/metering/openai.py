"""
OpenAI's usage object, and its relatives', as disjoint token classes.

Cached, written, audio and image tokens are parts of the prompt total. Cache writes whose lifetime
is not told are 30-minute writes: the only lifetime of chat completions and the default of
responses. Rejected prediction tokens are part of the completion total and billed: they stay there.
"""

from typing import Any

import msgspec

from meterr.gateway.metering.reading import IMPLAUSIBLE, MISSING, PARTIAL, Count, Measured, Reading
from meterr.ledger.model import Usage


class CacheWrites(msgspec.Struct):
    """Tokens written to the cache, by lifetime."""

    ttl_30m_tokens: Count | None = None
    ttl_12h_tokens: Count | None = None


class InputDetails(msgspec.Struct):
    """Parts of the prompt total."""

    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cache_write_tokens_details: CacheWrites | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class OutputDetails(msgspec.Struct):
    """Parts of the completion total."""

    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class OpenAIUsage(msgspec.Struct):
    """The usage of chat completions and embeddings (``prompt_``) or responses (``input_``)."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None  # Moonshot puts it here, beside the totals


class ImageTool(msgspec.Struct):
    """Tokens of the image generation tool, billed at that model's price."""

    total_tokens: Count | None = None


class SearchTool(msgspec.Struct):
    """Billable web searches."""

    num_requests: Count | None = None


class ToolUsage(msgspec.Struct):
    """What hosted tools of the responses surface consumed, outside the token totals."""

    image_gen: ImageTool | None = None
    web_search: SearchTool | None = None


class OpenAIAnswer(msgspec.Struct):
    """What we read of an answer body of any OpenAI surface, and of the response inside an event."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: OpenAIUsage | None = None
    tool_usage: ToolUsage | None = None


_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()


def reading_of(
    answer: OpenAIAnswer,
    problem: str = "",
    *,
    known: Reading | None = None,
    embedding: bool = False,
) -> Reading:
    """
    Return the reading of one decoded ``answer``; ``problem`` is what decoding it met.

    What ``known`` says of usage stands when ``answer`` has no totals: an empty usage at the end of
    a stream takes nothing back.
    """
    usage = None
    if not problem:
        usage, problem = measure(answer.usage, answer.tool_usage, embedding=embedding)
    if problem == MISSING and known is not None and known.usage is not None:
        usage, problem = known.usage, known.problem
    return Reading(usage, answer.model or "", answer.service_tier or "", problem, answer.id or "")


def measure(
    reported: OpenAIUsage | None, tools: ToolUsage | None = None, *, embedding: bool = False
) -> Measured:
    """
    Split ``reported`` into disjoint classes whose sum is exactly prompt total + completion total.

    Where a provider's own sum says that reasoning is counted beside the completion, it is added.
    """
    if reported is None:
        return None, MISSING
    prompt, completion = reported.prompt_tokens, reported.completion_tokens
    if prompt is None:
        prompt = reported.input_tokens
    if completion is None:
        completion = reported.output_tokens
    if prompt is None or (completion is None and not embedding):
        return None, MISSING
    completion = completion or 0
    sources = reported.prompt_tokens_details or reported.input_tokens_details or _NO_INPUT_DETAILS
    answers = (
        reported.completion_tokens_details or reported.output_tokens_details or _NO_OUTPUT_DETAILS
    )
    reasoning = answers.reasoning_tokens or 0
    if reasoning and reported.total_tokens == prompt + completion + reasoning:
        completion += reasoning
    cached = reported.cached_tokens or sources.cached_tokens or 0
    writes = _cache_writes(sources)
    if writes is None:
        return None, IMPLAUSIBLE
    fresh = prompt - cached - writes[0] - writes[1]
    audio, image = sources.audio_tokens or 0, sources.image_tokens or 0
    audio_out, image_out = answers.audio_tokens or 0, answers.image_tokens or 0
    output = completion - audio_out - image_out
    if fresh < 0 or audio + image > prompt or output < reasoning:
        return None, IMPLAUSIBLE
    if audio or image:
        # These too may have come from the cache; then the cache's count stands, and what is left
        # of the prompt is sound first, because that is the dearer of the two.
        audio = min(audio, fresh)
        image = min(image, fresh - audio)
    return _with_tools(
        Usage(
            input=fresh - audio - image,
            cache_read=cached,
            cache_write_30m=writes[0],
            cache_write_12h=writes[1],
            input_audio=audio,
            input_image=image,
            output=output,
            output_audio=audio_out,
            output_image=image_out,
            reasoning=reasoning,
        ),
        tools,
    )


def _cache_writes(sources: InputDetails) -> tuple[int, int] | None:
    """Return (30-minute, 12-hour) writes; None when the parts are more than the whole."""
    total, parts = sources.cache_write_tokens, sources.cache_write_tokens_details
    if parts is None:
        return total or 0, 0
    short, long = parts.ttl_30m_tokens or 0, parts.ttl_12h_tokens or 0
    if total is None:
        return short, long
    return None if short + long > total else (total - long, long)


def _with_tools(usage: Usage, tools: ToolUsage | None) -> Measured:
    if tools is None:
        return usage, ""
    searches = (tools.web_search and tools.web_search.num_requests) or 0
    if searches:
        usage = msgspec.structs.replace(usage, web_search=searches)
    drawn = (tools.image_gen and tools.image_gen.total_tokens) or 0
    return usage, PARTIAL if drawn else ""


class ChatChoice(msgspec.Struct):
    """One choice of a chunk; Moonshot reports usage in here."""

    usage: OpenAIUsage | None = None


class ChatChunk(msgspec.Struct):
    """What we read of one chunk of a chat stream."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    object: str | None = None
    usage: OpenAIUsage | None = None
    choices: list[ChatChoice] | None = None
    error: Any = None


class BareChunk(msgspec.Struct):
    """What decides whether a chunk carries anything but usage, whatever the shapes are."""

    usage: Any = None
    choices: Any = None
    error: Any = None
    moderation: Any = None


class ResponsesEvent(msgspec.Struct):
    """What we read of one event of a responses stream."""

    type: str | None = None
    response: OpenAIAnswer | None = None
    error: Any = None
