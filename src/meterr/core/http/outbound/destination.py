"""A URL to connect to, read once and strictly, so that nobody after us can read it otherwise."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self

from meterr.core.http.outbound.address import Address

PORTS: Final = {"http": 80, "https": 443}

_URL_CHARS_MAX: Final = 2048
_HOST_CHARS_MAX: Final = 253  # RFC 1035
_VISIBLE_ASCII: Final = re.compile(r"[!-~]+")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class Destination:
    """A host, lower-case and without brackets, a port, and whether TLS proves who is there."""

    host: str
    port: int
    tls: bool

    @property
    def literal(self) -> Address | None:
        """Return the address that ``host`` is, or None for a name."""
        return address_of(self.host)

    @property
    def authority(self) -> str:
        """Return the value of the Host header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == PORTS["https" if self.tls else "http"]
        return host if default else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """A destination and what to ask for there: path and query, as they go into the request line."""

    destination: Destination
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Read ``http[s]://host[:port]/path[?query]``.

        Raises ValueError with the fault but never with the URL: it may hold a secret.
        """
        if len(url) > _URL_CHARS_MAX:
            raise ValueError(f"the URL has more than {_URL_CHARS_MAX} characters")
        if not _VISIBLE_ASCII.fullmatch(url) or "\\" in url:
            raise ValueError("the URL may hold only visible ASCII characters (IDNA hosts as xn--)")
        scheme, separator, rest = url.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in PORTS:
            raise ValueError("the URL must begin with https:// or http://")
        if "#" in rest:
            raise ValueError("the URL may have no fragment")
        before, mark, query = rest.partition("?")
        authority, slash, path = before.partition("/")
        host, port = host_and_port(authority, PORTS[scheme])
        return cls(Destination(host, port, scheme == "https"), f"{slash or '/'}{path}{mark}{query}")


def host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    """
    Read ``host[:port]``; an IPv6 address is in brackets, and comes out without them.

    Raises ValueError: user names, zones, ports out of range, and every spelling of an IPv4 address
    but four decimal numbers, since resolvers do not agree about the others.
    """
    if "@" in authority:
        raise ValueError("the URL may not hold a user name or password; set a credential instead")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("the URL's host or port is malformed")
    port = int(match[2]) if match[2] else default_port
    if match[2] and not 0 < port < 65536:
        raise ValueError("the URL's port must be within 1 to 65535")
    return checked_host(match[1]), port


def checked_host(host: str) -> str:
    """Return a host name or address in lower case; raise ValueError for what is neither."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError("the URL's host is not an IPv6 address") from None
    if host.endswith("."):
        raise ValueError("the URL's host ends in a dot; write it without")
    labels = host.split(".")
    if len(host) > _HOST_CHARS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("the URL's host is not a host name")
    if _NUMBER.fullmatch(labels[-1]) and address_of(host) is None:
        raise ValueError("the URL's host is a number; write an IPv4 address as four decimal ones")
    return host.lower()


def address_of(text: str) -> Address | None:
    """Return the IP address that ``text`` is, in its one usual spelling, or None. No zones."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None
