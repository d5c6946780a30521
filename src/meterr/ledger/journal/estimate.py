"""How a call is closed whose process died: usage by what is known, else by sizes. Pure."""

from decimal import Decimal
from typing import Protocol

import msgspec

from meterr.core.money import wire
from meterr.ledger.drawn import Known, beside, drawn
from meterr.ledger.model import INPUT_CLASSES, Opened, Progress, Settled, State, Usage

BYTES_PER_TOKEN = 4  # usual for English text and JSON; other scripts take more tokens per character
REPORTED_INPUT = "reported-input"
REQUEST_BYTES = "request-bytes/4"
ANSWER_CHARS = "answer-chars/4"
OUTCOME = "process_died"


class Pricing(Protocol):
    """Price a token vector; ``ledger.cost.Pricer`` is the one used, tests may bring their own."""

    def cost(self, usage: Usage, /) -> Decimal | None:
        """Return US dollars, unrounded, or None when a class in ``usage`` has no rate."""
        ...


def estimated(opened: Opened, progress: Progress | None) -> tuple[Usage, str]:
    """
    Return the usage an interrupted call is charged, and the name of the method.

    Prompt tokens are the provider's when it has reported any, else the request's bytes by four.
    Answer tokens are the larger of what it reported and the relayed characters by four, rounded up.
    A call that was bounded before it left is never charged more than its bounds by a guess.
    """
    reported = (progress and progress.usage) or Usage()
    answer = _within(_by_four(progress.answer_chars if progress else 0), opened.output_max)
    if any(getattr(reported, name) for name in INPUT_CLASSES):
        usage, method = reported, REPORTED_INPUT
    else:
        prompt = _within(_by_four(opened.request_bytes), opened.input_max)
        usage = msgspec.structs.replace(reported, input=prompt)
        method = REQUEST_BYTES
    output = max(reported.output, answer)
    return msgspec.structs.replace(usage, output=output), f"{method}+{ANSWER_CHARS}"


def interrupted(opened: Opened, progress: Progress | None, pricing: Pricing | None) -> Settled:
    """
    Return the entry that closes ``opened``: the same one whenever it is made again.

    Without ``pricing`` the entry has no cost. How long the call took is unknown and stays 0.
    """
    usage, method = estimated(opened, progress)
    cost = None if pricing is None else pricing.cost(usage)
    usd = drawn(Known.PROCESS_DIED, cost, Decimal(opened.reserved or 0))
    return Settled(
        id=opened.id,
        tenant=opened.tenant,
        key=opened.key,
        surface=opened.surface,
        upstream=opened.upstream,
        provider=opened.provider,
        model=opened.model,
        state=State.INTERRUPTED,
        price=opened.price,
        stream=opened.stream,
        outcome=OUTCOME,
        usage=usage,
        estimate=method,
        cost=None if cost is None else wire(cost),
        request_bytes=opened.request_bytes,
        leases=opened.leases,
        drawn=beside(cost, usd),
    )


def _within(tokens: int, bound: int) -> int:
    return min(tokens, bound) if bound else tokens


def _by_four(size: int) -> int:
    return -(-max(size, 0) // BYTES_PER_TOKEN)
