"""
Requests that another site makes a browser send (CSRF): told by what the browser says itself. Pure.

The rule is that of ``CrossOriginProtection`` in Go 1.25's ``net/http``.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import ClassVar, Final

from meterr.core.errors import MeterrError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing here; a route that takes a cookie must keep to that."""


class Verdict(StrEnum):
    """What is known of where a request came from; the last two are refusals."""

    SAFE_METHOD = "safe_method"
    SAME_ORIGIN = "same_origin"  # also typed into the address bar
    TRUSTED = "trusted"  # another origin, named in the settings
    NO_BROWSER = "no_browser"  # neither header: no browser of this decade
    CROSS_SITE = "cross_site"  # by Sec-Fetch-Site
    OTHER_ORIGIN = "other_origin"  # by Origin, from a browser without Sec-Fetch-Site


REFUSED: Final = frozenset({Verdict.CROSS_SITE, Verdict.OTHER_ORIGIN})


class CrossOrigin(MeterrError):
    """Another site made a browser send this request; the session it carries is not used for it."""

    code: ClassVar[str] = "cross-origin"
    status: ClassVar[int] = 403
    title: ClassVar[str] = "Cross-origin request"


def cross_origin(
    method: str,
    sec_fetch_site: bytes | None,
    origin: bytes | None,
    host: bytes | None,
    trusted_origins: Collection[bytes] = (),
) -> Verdict:
    """
    Judge one request by its own headers; None is a header that was not sent.

    ``Host`` names no scheme, so a page on http is not told from one on https where only ``Origin``
    is there: old browsers, against whom HSTS helps. An empty header counts as none.
    """
    if method in SAFE_METHODS:
        return Verdict.SAFE_METHOD
    if sec_fetch_site in (b"same-origin", b"none"):
        return Verdict.SAME_ORIGIN
    if sec_fetch_site:
        return Verdict.TRUSTED if origin in trusted_origins else Verdict.CROSS_SITE
    if not origin:
        return Verdict.NO_BROWSER
    if host and _host_of(origin) == host.lower():
        return Verdict.SAME_ORIGIN
    return Verdict.TRUSTED if origin in trusted_origins else Verdict.OTHER_ORIGIN


def refuse_cross_origin(
    method: str,
    sec_fetch_site: bytes | None,
    origin: bytes | None,
    host: bytes | None,
    trusted_origins: Collection[bytes] = (),
) -> None:
    """Raise CrossOrigin where ``cross_origin`` refuses."""
    verdict = cross_origin(method, sec_fetch_site, origin, host, trusted_origins)
    if verdict in REFUSED:
        raise CrossOrigin(
            "A page of another origin made this request. Open meterr's own address and repeat it "
            "there, or send an API key instead of a session.",
            reason=verdict.value,
        )


def _host_of(origin: bytes) -> bytes:
    """Return host and port of a serialised origin; nothing for ``null``."""
    scheme, separator, host = origin.partition(b"://")
    return host.lower() if separator and scheme else b""
