"""Where an upstream lives: a base URL, parsed once and strictly."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from meterr.core.http.outbound import Destination
from meterr.core.http.outbound.destination import Target
from meterr.core.http.tls import verifying_context


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
        try:
            target = Target.parse(base_url)
        except ValueError as fault:
            raise ValueError(f"The base URL cannot be used: {fault}.") from None
        if "?" in target.path:
            raise ValueError("The base URL may have no query.")
        to = target.destination
        scheme, tls = ("https", _tls_context(ca_file)) if to.tls else ("http", None)
        return cls(scheme, to.host, to.port, target.path.rstrip("/").encode("ascii"), tls)

    @property
    def destination(self) -> Destination:
        """Return what has to be allowed before anybody connects here."""
        return Destination(self.host, self.port, self.tls is not None)

    @property
    def authority(self) -> bytes:
        """Return the value of the Host header: the port only when it is not the scheme's own."""
        return self.destination.authority.encode("ascii")


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = verifying_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
