"""What a provider's own words say about one call, and how they are decoded without ever raising."""

import json
from typing import Annotated, Any, TypeVar

import msgspec

from meterr.ledger.model import Usage

MISSING = "missing"  # no usage was reported, or a total that it cannot do without
IMPLAUSIBLE = (
    "implausible"  # negative, not a whole number, absurd, or parts larger than their total
)
UNREADABLE = "unreadable"  # what should hold the usage is not JSON, or too large to be looked at
PARTIAL = "partial"  # usage is right as far as it goes, but the bill holds work it cannot express

# No single call of any model known today comes within a factor of 100 of this.
COUNT_MAX = 1_000_000_000

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Measured = tuple[Usage | None, str]  # a vector and a problem code

# A field of this name holds usage somewhere below it.
_HOLDS_USAGE = frozenset({"usage", "choices", "message", "response", "tool_usage"})

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


class Reading(msgspec.Struct, frozen=True):
    """
    The latest that the provider said about a call.

    ``usage`` is None when it is not known; it is never a guess. ``problem`` is "" or a code of this
    module; with ``PARTIAL`` there is a usage all the same. ``tier`` is the provider's own word for
    the service tier it used ("default", "flex", "priority", "fast", ...), "" when it did not say.
    """

    usage: Usage | None = None
    model: str = ""
    tier: str = ""
    problem: str = MISSING
    answer_id: str = ""


def decode(decoder: msgspec.json.Decoder[_Shape], data: bytes) -> tuple[_Shape | None, str]:
    """
    Decode ``data``, field by field when it does not have the expected shape as a whole.

    Returns the struct without the fields that are off, and ``IMPLAUSIBLE`` if one of those holds
    usage; None and ``UNREADABLE`` when ``data`` is not a JSON object at all. Never raises.
    """
    try:
        return decoder.decode(data), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _salvage(decoder.type, data)


def _salvage(shape: type[_Shape], data: bytes) -> tuple[_Shape | None, str]:
    # The standard parser takes what careless servers write: NaN logprobs, lone surrogates, a BOM.
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None, UNREADABLE
    if not isinstance(found, dict):
        return None, UNREADABLE
    kept: dict[str, Any] = {}
    problem = ""
    for field in msgspec.structs.fields(shape):
        if field.encode_name not in found:
            continue
        try:
            kept[field.name] = msgspec.convert(found[field.encode_name], field.type)
        except (msgspec.ValidationError, RecursionError):
            problem = IMPLAUSIBLE if field.encode_name in _HOLDS_USAGE else problem
    return shape(**kept), problem
