"""
Anthropic's usage object as disjoint token classes: its input total already excludes the cache.

``iterations`` (beta) lists the samplings behind one answer. The totals cover those of the model
that answered; a ``compaction`` ran on the same model outside the totals, so it is added. An
advisor, or a model that declined after it had begun to write, is billed at its own price, which one
vector of one model cannot say: such a reading is ``PARTIAL``, and so is one whose bill was
re-priced by a redeemed fallback credit. A model that declined before its first token is not billed.
"""

from typing import Any

import msgspec

from meterr.gateway.metering.reading import IMPLAUSIBLE, MISSING, PARTIAL, Count, Measured, Reading
from meterr.ledger.model import Usage

# What is billed as the standard list says; anything else, known today or not, is told.
_USUAL_TIERS = frozenset({"", "standard"})
_USUAL_SPEEDS = frozenset({"", "standard"})
_USUAL_GEOS = frozenset({"", "global", "not_available"})


class CacheCreation(msgspec.Struct):
    """Tokens written to the cache, by lifetime."""

    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class OutputDetails(msgspec.Struct):
    """Parts of the output total."""

    thinking_tokens: Count | None = None


class ServerTools(msgspec.Struct):
    """Requests of server tools."""

    web_search_requests: Count | None = None
    web_fetch_requests: Count | None = None


class Iteration(msgspec.Struct):
    """One sampling behind the answer."""

    type: str | None = None
    model: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None


class CreditStatus(msgspec.Struct):
    """Whether a fallback credit changed the bill."""

    type: str | None = None


class FallbackCredit(msgspec.Struct):
    """The outcome of a fallback credit presented with the request."""

    status: CreditStatus | None = None


class AnthropicUsage(msgspec.Struct):
    """The usage of a message, whole or as known so far in a stream."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[Iteration] | None = None
    fallback_credit: FallbackCredit | None = None

    def learn(self, later: "AnthropicUsage") -> None:
        """Take over what ``later`` says: counts are cumulative, so they replace and never add."""
        for name in self.__struct_fields__:
            value = getattr(later, name)
            if value is not None:
                setattr(self, name, value)


class AnthropicMessage(msgspec.Struct):
    """What we read of a message: the answer body, or the start of a stream."""

    id: str | None = None
    model: str | None = None
    usage: AnthropicUsage | None = None


class MessagesEvent(msgspec.Struct):
    """What we read of one event of a messages stream."""

    type: str | None = None
    message: AnthropicMessage | None = None
    usage: AnthropicUsage | None = None
    error: Any = None


def reading_of(message: AnthropicMessage, problem: str = "") -> Reading:
    """Return the reading of ``message``; ``problem`` is what decoding it met."""
    reported, model = message.usage, message.model or ""
    usage = None
    if not problem:
        usage, problem = measure(reported, model)
    return Reading(usage, model, _tier(reported), problem, message.id or "")


def measure(reported: AnthropicUsage | None, model: str) -> Measured:
    """Split ``reported`` into disjoint classes; ``model`` is the one that answered."""
    if reported is None or reported.input_tokens is None or reported.output_tokens is None:
        return None, MISSING
    details, tools = reported.output_tokens_details, reported.server_tool_use
    reasoning = (details and details.thinking_tokens) or 0
    writes = _cache_writes(reported.cache_creation_input_tokens, reported.cache_creation)
    if writes is None or reasoning > reported.output_tokens:
        return None, IMPLAUSIBLE
    usage = Usage(
        input=reported.input_tokens,
        cache_read=reported.cache_read_input_tokens or 0,
        cache_write_5m=writes[0],
        cache_write_1h=writes[1],
        output=reported.output_tokens,
        reasoning=reasoning,
        web_search=(tools and tools.web_search_requests) or 0,
        web_fetch=(tools and tools.web_fetch_requests) or 0,
    )
    if reported.iterations is None and reported.fallback_credit is None:
        return usage, ""
    return _with_iterations(usage, reported, model)


def _tier(reported: AnthropicUsage | None) -> str:
    """
    Return what decides the price list: one word alone, several joined by ``+``.

    Only single words have price lists, and no place has one: what is processed in the United States
    costs 1.1 times as much, and must have no known price rather than the standard one.
    """
    if reported is None:
        return ""
    tier, speed, geo = (
        reported.service_tier or "",
        reported.speed or "",
        reported.inference_geo or "",
    )
    special = [tier] if tier not in _USUAL_TIERS else []
    if speed not in _USUAL_SPEEDS:
        special.append(speed)
    if geo not in _USUAL_GEOS:
        special.append(f"geo:{geo}")
    return "+".join(special) or tier


def _cache_writes(total: int | None, parts: CacheCreation | None) -> tuple[int, int] | None:
    """
    Return (5-minute, 1-hour) writes; None when the parts are more than the whole.

    A stream's last total may exceed the parts told at its start. What came on top has the lifetime
    of the rest when that is one hour, else the default of five minutes.
    """
    short = (parts and parts.ephemeral_5m_input_tokens) or 0
    long = (parts and parts.ephemeral_1h_input_tokens) or 0
    unknown = 0 if total is None else total - short - long
    if unknown < 0:
        return None
    return (0, long + unknown) if long and not short else (short + unknown, long)


def _with_iterations(usage: Usage, reported: AnthropicUsage, model: str) -> Measured:
    iterations = reported.iterations or []
    fell_back = any(each.type == "fallback_message" for each in iterations)
    credit = reported.fallback_credit
    partial = bool(credit and credit.status and credit.status.type == "redeemed")
    for each in iterations:
        if each.type == "compaction":
            writes = _cache_writes(each.cache_creation_input_tokens, each.cache_creation)
            if writes is None:
                return None, IMPLAUSIBLE
            usage = _plus(usage, each, writes)
        elif not _in_totals(each, model, fell_back=fell_back):
            partial = True
    return usage, PARTIAL if partial else ""


def _in_totals(each: Iteration, model: str, *, fell_back: bool) -> bool:
    if each.type == "fallback_message":
        return True
    if (
        each.type != "message"
    ):  # an advisor, or a kind of work that did not exist when this was written
        return not (each.input_tokens or each.output_tokens)
    declined = each.model != model if each.model else fell_back
    return not (declined and each.output_tokens)


def _plus(usage: Usage, each: Iteration, writes: tuple[int, int]) -> Usage:
    return msgspec.structs.replace(
        usage,
        input=usage.input + (each.input_tokens or 0),
        cache_read=usage.cache_read + (each.cache_read_input_tokens or 0),
        cache_write_5m=usage.cache_write_5m + writes[0],
        cache_write_1h=usage.cache_write_1h + writes[1],
        output=usage.output + (each.output_tokens or 0),
    )
