"""
Upper bounds on what a call can use, read from its request. Pure; only for calls that are limited.

Of text: no tokenizer makes more tokens than there are UTF-8 bytes, and what a provider's template
adds around a message is shorter than the JSON around it here. So the body's bytes bound its text,
whatever window a price list states for the model. What is not text in the body (pictures, files,
what the provider fetches or remembers, and whatever meterr does not know) has a bound of its own.
docs/explanation/budgets.md has the table.
"""

from typing import NamedTuple

from meterr.gateway.metering.bounds.answer import answer_tokens, told_bound
from meterr.gateway.metering.bounds.findings import Findings
from meterr.gateway.metering.bounds.plain import plain
from meterr.gateway.metering.bounds.reading import read_closely
from meterr.gateway.metering.bounds.rendering import may_hold_calls, rendering_tokens
from meterr.gateway.metering.request import RequestFacts
from meterr.ledger.worst_case import TEXT_CLASSES, Most

__all__ = [
    "TEMPLATE_TOKENS",
    "TOOLS_TOKENS",
    "TOOL_CALL_TOKENS",
    "Bounds",
    "bounds_of",
    "told_bound",
]

TEMPLATE_TOKENS = 64
"""What a provider adds to a prompt once, beside what it adds to each message."""
TOOLS_TOKENS = 2_048
"""What a provider explains once about tools or formats, and about each tool it defines itself."""
TOOL_CALL_TOKENS = 8
"""Tokens that a model writes at least to call a server tool: its name and one argument."""


class Bounds(NamedTuple):
    """
    What a call can use at most; None where nothing bounds it.

    Tokens may be billed in any of ``classes``, with ``unseen`` in any class that has a price.
    ``cause`` is the field because of which more may be read than the body, or nothing is bounded.
    ``packed`` bytes of the body are pictures, sound and files.
    """

    input_tokens: int | None
    output_tokens: int | None
    classes: frozenset[str] = TEXT_CLASSES
    web_searches: int | None = 0
    web_fetches: int | None = 0
    unseen: bool = False
    cause: str = ""
    packed: int = 0

    def most(self) -> Most | None:
        """Return the bounds for pricing, or None when one is missing."""
        tokens_in, tokens_out, classes, searches, fetches, unseen, *_ = self
        if tokens_in is None or tokens_out is None or searches is None or fetches is None:
            return None
        return Most(tokens_in, tokens_out, classes, searches, fetches, unseen)

    @property
    def tokens(self) -> int | None:
        """Tokens in and out together."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


def bounds_of(
    surface: str,
    body: bytes,
    facts: RequestFacts,
    *,
    provider: str,
    window: int | None,
    output_default: int | None = None,
) -> Bounds:
    """
    Return the bounds of ``body``, a request of ``surface`` to ``provider``, read as ``facts``.

    ``window`` is the model's context window in tokens, if known. ``output_default`` bounds each
    answer of a caller who set no bound.
    """
    has_calls = may_hold_calls(surface, body)
    text = plain(surface, body, has_calls=has_calls)
    if text is None:
        return _bounds(read_closely(surface, body), body, facts, provider, window, output_default)
    output: int | None = 0
    if surface != "openai.embeddings":
        output = answer_tokens(
            facts,
            provider,
            window=window,
            default=output_default,
            thinking=text.thinking_tokens or 0,
        )
    tokens = len(body) + TEMPLATE_TOKENS
    if text.is_explained:
        tokens += TOOLS_TOKENS
    if text.is_explained or has_calls:
        tokens += rendering_tokens(body)
    return Bounds(tokens, output)


def _bounds(
    found: Findings,
    body: bytes,
    facts: RequestFacts,
    provider: str,
    window: int | None,
    default: int | None,
) -> Bounds:
    output: int | None = 0
    if found.surface != "openai.embeddings":
        output = answer_tokens(
            facts,
            provider,
            window=window,
            default=default,
            thinking=found.thinking,
            # What was predicted and rejected is billed, too.
            beside=found.thinking_beside + (len(body) if found.predicted else 0),
            longer=found.longer,
        )
    room = None if output is None else -(-output // TOOL_CALL_TOKENS)
    together = found.calls_together or 0
    runs = found.runs.most(together, room)
    reading = _once_read(found, body, window)
    return Bounds(
        None if reading is None or runs is None or found.boundless else reading * (1 + runs),
        output,
        frozenset(found.classes),
        found.searches.most(together, room),
        found.fetches.most(together, room),
        unseen=found.elsewhere,
        cause=found.cause,
        packed=found.packed,
    )


def _once_read(found: Findings, body: bytes, window: int | None) -> int | None:
    """Return the most that one sampling reads, None if nothing bounds it."""
    text = len(body) - found.packed + TEMPLATE_TOKENS
    if found.explained or may_hold_calls(found.surface, body):
        text += rendering_tokens(body)
    text += TOOLS_TOKENS * (found.explained + found.defined)
    if not found.elsewhere:
        return text + (found.beside if window is None else min(found.beside, window))
    return None if window is None else text + window * found.inputs
