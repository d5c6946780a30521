"""What a provider's usage object means, written down a second time to check the first."""

from collections.abc import Mapping
from typing import Any

from meterr.ledger.model import Usage

TOKEN_CLASSES = Usage.__struct_fields__


def spent(usage: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the classes of ``usage`` that are not zero; of an OpenAI or an Anthropic usage."""
    if usage is None:
        return {}
    found = _anthropic(usage) if "cache_read_input_tokens" in usage else _openai(usage)
    return {name: count for name, count in found.items() if count}


def booked(entry: Mapping[str, Any]) -> dict[str, int]:
    """Return the classes of a ledger entry that are not zero."""
    return {name: entry[name] for name in TOKEN_CLASSES if entry[name]}


def _openai(usage: Mapping[str, Any]) -> dict[str, int]:
    prompt = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    into = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    out = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cached = into.get("cached_tokens") or usage.get("cached_tokens") or 0
    return {
        "input": prompt - cached,
        "cache_read": cached,
        "output": usage.get("completion_tokens", usage.get("output_tokens", 0)),
        "reasoning": out.get("reasoning_tokens", 0),
    }


def _anthropic(usage: Mapping[str, Any]) -> dict[str, int]:
    by_life = usage.get("cache_creation") or {}
    written = usage.get("cache_creation_input_tokens") or 0
    hour = by_life.get("ephemeral_1h_input_tokens") or 0
    return {
        "input": usage["input_tokens"],
        "cache_read": usage["cache_read_input_tokens"] or 0,
        "cache_write_5m": written - hour,
        "cache_write_1h": hour,
        "output": usage["output_tokens"],
    }
