"""Which names meterr answers to: a page on a foreign name cannot be rebound to this server."""

from collections.abc import Iterable
from typing import ClassVar, Final

from meterr.core.errors import Invalid, MeterrError
from meterr.core.http.origin import host_in, is_address

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (compared, not listened on)

_SPELLINGS_MAX: Final = 256
"""Accepted ``Host`` fields that are remembered, so that the usual one costs a look-up."""


class HostRefused(MeterrError):
    """The request was made for a host that this server does not answer for."""

    code: ClassVar[str] = "host-not-allowed"
    status: ClassVar[int] = 421
    title: ClassVar[str] = "Misdirected request"


class AllowedHosts:
    """
    The hosts that requests may name; the port is not looked at, a proxy's may be another.

    Names are exact. ``listens_on`` is the address that is served: any address means that requests
    may name any IP address, which no DNS answer of a stranger can change, but no further name.
    What is in ``accepted`` has passed ``check`` before.
    """

    def __init__(self, names: Iterable[str], listens_on: str) -> None:
        bare = listens_on.strip("[]").lower()
        self._any_address = bare in _EVERY_ADDRESS
        self._names = LOOPBACK | set(names)
        if not self._any_address:
            self._names |= {f"[{bare}]" if ":" in bare else bare}
        self.accepted: set[bytes] = set()

    def check(self, field: bytes | None, http_version: str) -> None:
        """
        Let a request for ``field``, its ``Host``, in.

        Raises:
            Invalid: there is none, or it is no host.
            HostRefused: it is none of ours.
        """
        if field is None:
            if http_version == "1.0":  # probes; no browser sends a request without it
                return
            raise Invalid("The request has no Host header.")
        host = host_in(field)
        if host is None:
            raise Invalid("The Host header is not a host with an optional port.")
        if not self.allows(host):
            raise HostRefused(
                "This server does not answer for the host that the request names. Its operator can "
                "add it to server.allowed_hosts, or set server.public_origin."
            )
        if len(self.accepted) < _SPELLINGS_MAX:
            self.accepted.add(field)

    def allows(self, host: str) -> bool:
        """Say whether ``host``, in lower case and without a port, may be named."""
        return host in self._names or (self._any_address and is_address(host))


def checked_name(text: str) -> str:
    """
    Return a name for ``AllowedHosts``, as settings have it.

    Raises ValueError with the way out.
    """
    if "*" in text or text.startswith("."):
        raise ValueError("patterns are refused: name each host in full")
    if "@" in text:
        raise ValueError("a host has no user name or password")
    if text != text.lower():
        raise ValueError(f"{text!r}: write it in lower case")
    if host_in(text.encode("utf-8", "replace")) != text or text.endswith("."):
        raise ValueError(f"{text!r} is no host: give a name or an address, without port or path")
    return text
