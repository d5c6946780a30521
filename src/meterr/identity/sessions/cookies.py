"""
Two cookies, written and read: the access token and the refresh token. Pure.

``__Host-`` makes a browser hold them to this host, to https and to the whole of it; HttpOnly keeps
them from scripts, SameSite=Strict from requests that other sites cause. On loopback without https
browsers refuse that prefix, so the names are others there, and the two never meet.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from meterr.core.errors import MeterrError, OperatorError
from meterr.identity.sessions.model import Grant

HEADER_CHARS_MAX: Final = 16 * 1024
_VALUE: Final = re.compile(r"[A-Za-z0-9._-]{1,1024}", re.ASCII)


class CookiesRefused(MeterrError):
    """The Cookie header cannot be read in one way: nobody knows which of two was meant."""

    code, status, title = "cookies-refused", 400, "Cookies refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The cookies of this site are doubled or damaged. Delete them and sign in again.",
            reason=reason,
        )


class OriginRefused(OperatorError):
    """Cookies would travel in clear: the origin is neither https nor on loopback."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a browser sent of ours; None for what it did not."""

    access: SecretStr | None
    refresh: SecretStr | None


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names and attributes of one installation."""

    access_name: str
    refresh_name: str
    secure: bool

    @classmethod
    def of(cls, origin: str) -> "Cookies":
        """
        Return the cookies for ``origin``, e.g. ``https://meterr.example.com``.

        Raises OriginRefused for plain http beyond loopback; there is no switch for that.
        """
        parts = urlsplit(origin)
        if parts.scheme == "https" and parts.hostname:
            return cls("__Host-meterr", "__Host-meterr-refresh", secure=True)
        if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
            return cls("meterr-dev", "meterr-dev-refresh", secure=False)
        raise OriginRefused(
            f"{origin[:80]!r}: people sign in over https, or over http on localhost."
        )

    def set(self, grant: Grant, now_ms: int) -> tuple[str, str]:
        """Return the values of two Set-Cookie headers that hand out a grant."""
        return (
            self._line(
                self.access_name,
                grant.access.get_secret_value(),
                _seconds(grant.access_ends_at_ms - now_ms),
            ),
            self._line(
                self.refresh_name,
                grant.refresh.get_secret_value(),
                _seconds(grant.refresh_ends_at_ms - now_ms),
            ),
        )

    def clear(self) -> tuple[str, str]:
        """Return the values of two Set-Cookie headers that take both cookies away."""
        return self._line(self.access_name, "", 0), self._line(self.refresh_name, "", 0)

    def read(self, headers: Iterable[str]) -> Presented:
        """
        Return our cookies from the values of all Cookie headers of a request.

        Cookies of others are passed over. Raises CookiesRefused when one of ours stands twice, is
        empty, quoted, or holds what we never write: it was set by somebody else.
        """
        text = ";".join(headers)
        if len(text) > HEADER_CHARS_MAX:
            raise CookiesRefused("too_long")
        found: dict[str, SecretStr] = {}
        for pair in text.split(";"):
            name, _, value = pair.partition("=")
            name = name.strip(" \t")
            if name not in (self.access_name, self.refresh_name):
                continue
            value = value.strip(" \t")
            if name in found:
                raise CookiesRefused("doubled")
            if _VALUE.fullmatch(value) is None:
                raise CookiesRefused("damaged")
            found[name] = SecretStr(value)
        return Presented(found.get(self.access_name), found.get(self.refresh_name))

    def _line(self, name: str, value: str, max_age_s: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{name}={value}; Max-Age={max_age_s}; Path=/{secure}; HttpOnly; SameSite=Strict"


def _seconds(milliseconds: int) -> int:
    # Max-Age is in seconds, whatever one framework or another takes it for (S1:181).
    return max(0, milliseconds // 1000)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
