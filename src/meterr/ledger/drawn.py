"""What a call draws from each budget that held it: a fact of its own beside its cost. Pure."""

from decimal import Decimal
from enum import Enum, auto

from meterr.core.money import wire

_NOTHING = Decimal(0)


class Known(Enum):
    """What is known, in the end, of what a call used."""

    NOTHING_USED = auto()  # it never left, its provider refused it, or its surface is not billed
    REPORTED = auto()  # all of it: the provider's last word
    IN_PART = auto()  # cut off, timed out, left, stopped, or not told whole: more may be billed
    PROCESS_DIED = auto()  # what was seen until then; no caller can bring that about


def drawn(known: Known, cost: Decimal | None, reserved: Decimal) -> Decimal:
    """
    Return the US dollars that a call draws from each of its budgets.

    Args:
        known: What ``cost`` rests on.
        cost: US dollars, exact or an estimate as ``known`` says; None when it has no known price.
        reserved: The most it could cost, taken from each budget before it left; 0 when a soft
            budget let a call pass that nothing bounds.
    """
    if known is Known.NOTHING_USED:
        return _NOTHING
    if cost is None:
        return reserved
    return max(cost, reserved) if known is Known.IN_PART else cost


def beside(cost: Decimal | None, usd: Decimal) -> str | None:
    """Return what an entry says was drawn, on the wire: None where its cost says the same."""
    return None if usd == (cost or _NOTHING) else wire(usd)
