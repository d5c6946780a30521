"""Price contexts: which of a model's price lists a call belongs to. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

STANDARD = "standard"

# What providers write in `service_tier` and `speed`, and the name the ledger keeps. A value that is
# not listed is unknown, and so is its price: a tier we never heard of is never billed as standard.
_NAME_OF_WIRE_VALUE: Mapping[str, str] = MappingProxyType(
    {
        "": STANDARD,
        "standard": STANDARD,
        "default": STANDARD,
        "auto": STANDARD,
        "flex": "flex",
        "priority": "priority",
        "scale": "scale",
        "batch": "batch",
        "fast": "fast",
    }
)

# The request attributes by which the price source selects a variant. OpenAI's fast is a service
# tier, Anthropic's a speed; batch is a way of processing for both.
_ATTRIBUTES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        STANDARD: {"service_tier": "default"},
        "flex": {"service_tier": "flex"},
        "priority": {"service_tier": "priority"},
        "scale": {"service_tier": "scale"},
        "batch": {"processing": "batch"},
        "fast": {"service_tier": "fast", "speed": "fast"},
    }
)

CONTEXTS = tuple(_ATTRIBUTES)


def context_of(wire_value: str) -> str | None:
    """Return the context of a provider's ``service_tier`` or ``speed``; None for an unknown one."""
    return _NAME_OF_WIRE_VALUE.get(wire_value)


def attributes_of(context: str) -> Mapping[str, str]:
    """Return the source's request attributes for a context out of ``CONTEXTS``."""
    return _ATTRIBUTES[context]
