"""
How long an answer can be: where its provider stops, and what may come beside it.

A field bounds an answer only if the provider is known to stop there. A field that it may also stop
at can never lower a bound, but raises it.
"""

from meterr.gateway.metering.request import RequestFacts

_STOPS_AT_EITHER = frozenset({"anthropic", "azure", "groq", "moonshotai", "openai", "x-ai"})
"""Providers that know ``max_completion_tokens``; all others may pass over it."""
_REASONS_WITHIN = frozenset(
    {
        *("anthropic", "azure", "deepseek", "google", "groq", "mistral", "moonshotai", "openai"),
        # Servers that people run themselves: whatever is generated counts.
        *("llama.cpp", "lmstudio", "local", "ollama", "sglang", "vllm"),
    }
)
"""Providers whose reasoning is held to the answer's bound; with others it may come on top."""
_ANSWERS_NOTHING = frozenset({"anthropic"})
"""Providers to whom 0 means no answer at all; to others it may mean as much as they like."""


def told_bound(facts: RequestFacts, provider: str) -> int | None:
    """Return a bound that ``provider`` knows and the caller set; None if nothing is set."""
    bound = facts.max_output_tokens
    if not bound and provider in _STOPS_AT_EITHER:
        bound = facts.max_completion_tokens or bound
    return bound or (bound if provider in _ANSWERS_NOTHING else None)


def answer_tokens(
    facts: RequestFacts,
    provider: str,
    *,
    window: int | None,
    default: int | None,
    thinking: int = 0,
    beside: int = 0,
    longer: bool = False,
) -> int | None:
    """
    Return the most tokens that all answers to a call have together, None if nothing bounds them.

    ``default`` bounds each answer of a caller who set no bound, else ``window`` does. ``thinking``
    is a budget for thinking that the answer's bound may include, ``beside`` what is billed beside
    the answer; with ``longer`` that may be as much as the window has.
    """
    each = told_bound(facts, provider)
    if each is None:
        each = default if default is not None else window
    other = facts.max_completion_tokens
    if other == 0 and provider not in _STOPS_AT_EITHER:
        other = each = window
    if other is not None and each is not None:
        each = max(each, other)
    if longer or provider not in _REASONS_WITHIN:
        each = None if each is None or window is None else each + window
    if each is None:
        return None
    if thinking >= each:
        each += thinking  # between calls of tools, thinking may have more than the answer
    return (each + beside) * facts.n
