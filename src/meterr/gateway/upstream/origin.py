"""Where an upstream lives: a base URL, parsed once and strictly."""

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_PORTS = {"http": 80, "https": 443}
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_HOST_LENGTH_MAX = 253  # RFC 1035


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Scheme, host and port of an upstream, with the TLS context that its connections share.

    ``base_path`` is the URL's path without a trailing slash (``b""`` or ``b"/v1"``); joining it
    with an endpoint is the caller's affair. ``tls`` is None for http.
    """

    scheme: str
    host: str
    port: int
    base_path: bytes = b""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, base_url: str, *, ca_file: Path | None = None) -> Self:
        """
        Read ``http[s]://host[:port][/path]``.

        Certificates are verified, always; ``ca_file`` (PEM) is trusted beside the system's own.
        Raises ValueError with the fault but never with the URL: it may hold a password.
        """
        if not _VISIBLE_ASCII.fullmatch(base_url) or "\\" in base_url:
            raise ValueError(
                "The base URL may hold only visible ASCII characters (IDNA hosts as xn--)."
            )
        scheme, separator, rest = base_url.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in _PORTS:
            raise ValueError("The base URL must begin with http:// or https://.")
        if "?" in rest or "#" in rest:
            raise ValueError("The base URL may have neither a query nor a fragment.")
        authority, _, path = rest.partition("/")
        host, port = _host_and_port(authority, _PORTS[scheme])
        tls = _tls_context(ca_file) if scheme == "https" else None
        return cls(scheme, host, port, f"/{path}".rstrip("/").encode("ascii"), tls)

    @property
    def authority(self) -> bytes:
        """Return the value of the Host header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == _PORTS[self.scheme]
        return (host if default else f"{host}:{self.port}").encode("ascii")


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError(
            "The base URL may not hold a user name or password; set a credential instead."
        )
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("The base URL's host or port is malformed.")
    port = int(match[2]) if match[2] else default_port
    if not 0 < port < 65536:
        raise ValueError("The base URL's port must be within 1 to 65535.")
    return _checked_host(match[1].lower()), port


def _checked_host(host: str) -> str:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError("The base URL's host is not an IPv6 address.") from None
    labels = host.removesuffix(".").split(".")
    if len(host) > _HOST_LENGTH_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("The base URL's host is not a host name.")
    return host


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
