"""What every answer says to browsers: one block of header lines, made once at start. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

ANSWER_HEAD: Final = "meterr.answer_head"
"""
Scope key: the block for this answer, where it is not the process's usual one.

Where it is set, headers of the same names that the route sends are left out.
"""

NO_BLOCK: Final = b"\r\n"
"""The end of a head and nothing else, for servers that are no meterr."""

HSTS_MAX_AGE_S: Final = 2 * 365 * 24 * 3600


class Audience(StrEnum):
    """Whom a route is for: how its errors look, and what browsers are told about its answers."""

    SDKS = "sdks"  # errors in the caller's dialect
    PROGRAMS = "programs"  # errors as problem+json
    BROWSERS = "browsers"  # pages and what they load


_DATA_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_UNUSED_FEATURES: Final = (
    "accelerometer=(), autoplay=(), bluetooth=(), browsing-topics=(), camera=(), "
    "clipboard-read=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), "
    "geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), picture-in-picture=(), screen-wake-lock=(), serial=(), "
    "usb=(), web-share=(), xr-spatial-tracking=()"
)
_EVERYWHERE: Final = MappingProxyType(
    {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",  # for what does not know frame-ancestors
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
    }
)
_PAGE_ONLY: Final = MappingProxyType(
    {"content-security-policy": _PAGE_POLICY, "permissions-policy": _UNUSED_FEATURES}
)
# Data runs nothing, so one feature in the list is as good as all; fewer bytes on each call.
_DATA_ONLY: Final = MappingProxyType(
    {
        "content-security-policy": _DATA_POLICY,
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
)

OWN_NAMES: Final = frozenset(
    name.encode()
    for name in (
        *_EVERYWHERE,
        *_DATA_ONLY,
        "strict-transport-security",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
        "server",
        "x-powered-by",
        "x-xss-protection",
    )
)
"""Headers that only the block may set: whatever a route or a provider says there is left out."""


def protections(
    audience: Audience, *, hsts: bool = False, hsts_preload: bool = False
) -> Mapping[str, str]:
    """Return the headers of every answer to ``audience``; ``hsts`` says clients come over TLS."""
    told = dict(_EVERYWHERE)
    told |= _PAGE_ONLY if audience is Audience.BROWSERS else _DATA_ONLY
    if hsts:
        told["strict-transport-security"] = f"max-age={HSTS_MAX_AGE_S}; includeSubDomains" + (
            "; preload" if hsts_preload else ""
        )
    return told


def block(headers: Iterable[tuple[str, str]]) -> bytes:
    """
    Return header lines as they go over the wire, with the empty line that ends a head.

    Raises ValueError for what is no header.
    """
    lines = []
    for name, value in headers:
        if not (name + value).isprintable() or not (name + value).isascii():
            raise ValueError(f"no header: {name}")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("ascii") + NO_BLOCK
