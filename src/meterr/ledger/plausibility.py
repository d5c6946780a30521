"""Bounds of a token vector: what a provider cannot truthfully have reported. Pure."""

from enum import StrEnum

from meterr.ledger.model import Usage

# A thousand times the largest context window there is. With RATE_USD_MAX it also keeps any cost
# inside NUMERIC(38,18).
COUNT_MAX = 1_000_000_000


class Implausible(StrEnum):
    """Why a token vector is not believed; the code that the entry keeps."""

    NOT_AN_INTEGER = "usage-not-an-integer"
    NEGATIVE = "usage-negative"
    ABSURD = "usage-absurd"


def implausibility_of(usage: Usage) -> Implausible | None:
    """Return the first reason not to believe ``usage``, or None when every count is possible."""
    for name in Usage.__struct_fields__:
        problem = implausibility_of_count(getattr(usage, name))
        if problem is not None:
            return problem
    return None


def implausibility_of_count(count: object) -> Implausible | None:
    """Judge a count decoded from JSON: an int (neither ``True`` nor ``1.0``), 0 to COUNT_MAX."""
    if type(count) is not int:
        return Implausible.NOT_AN_INTEGER
    if count < 0:
        return Implausible.NEGATIVE
    return Implausible.ABSURD if count > COUNT_MAX else None
