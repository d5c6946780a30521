"""
How long an answer can be: where its provider stops, and what may come beside it.

A field bounds an answer only if the provider is known to stop there. A field that it may also stop
at can never lower a bound, but raises it.
"""

from meterr.gateway.metering.request import RequestFacts

_STOPS_AT_EITHER = frozenset({"anthropic", "azure", "groq", "moonshotai", "openai", "x-ai"})
"""Providers that know ``max_completion_tokens``; all others may pass over it."""
_REASONS_BESIDE = frozenset({"perplexity", "x-ai"})
"""Providers whose reasoning is billed beside the answer, and not held to the answer's bound."""
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
    predicted: int = 0,
) -> int | None:
    """
    Return the most tokens that all answers to a call have together, None if nothing bounds them.

    ``default`` bounds each answer of a caller who set no bound, else ``window`` does. ``thinking``
    is a budget for thinking, ``predicted`` the size of a prediction.
    """
    each = told_bound(facts, provider)
    if each is None:
        each = default if default is not None else window
    other = facts.max_completion_tokens
    if other == 0 and provider not in _STOPS_AT_EITHER:
        other = each = window
    if other is not None and each is not None:
        each = max(each, other)
    if provider in _REASONS_BESIDE:
        each = None if each is None or window is None else each + window
    if each is None:
        return None
    if thinking >= each:
        each += thinking  # between calls of tools, thinking may have more than the answer
    # What was predicted and rejected is billed, too.
    return (each + predicted) * facts.n
