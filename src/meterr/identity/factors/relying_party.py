"""For whom passkeys are: the address people see in their browser, and the domain it stands for."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from meterr.core.errors import OperatorError

_LOOPBACK = "localhost"


class RelyingPartyRefused(OperatorError):
    """Passkeys cannot work with this origin or domain; the text says why."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What a browser checks before it lets a passkey answer. All three are compared exactly."""

    rp_id: str
    origin: str
    name: str


def relying_party(origin: str, rp_id: str | None = None, name: str = "meterr") -> RelyingParty:
    """
    Return the relying party of ``origin``, e.g. ``https://meterr.example.com``.

    ``rp_id`` is the host, or a domain above it when several hosts share passkeys. It cannot change
    later without losing all passkeys. Plain http is for ``localhost`` only, as in browsers.

    Raises:
        RelyingPartyRefused: a browser would refuse it, or it says more than scheme, host and port.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    port = _port(origin)
    if f"{parts.scheme}://{host}{port}" != origin or not host:
        raise RelyingPartyRefused(
            f"{origin[:80]!r} is no origin: write scheme, host in lower case and port only, e.g. "
            "https://meterr.example.com."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and host == _LOOPBACK):
        raise RelyingPartyRefused(f"{origin}: passkeys need https, or http://localhost.")
    domain = host if rp_id is None else rp_id
    if _is_address(host) or not (host == domain or host.endswith(f".{domain}")):
        raise RelyingPartyRefused(f"{domain[:80]!r} is not the host of {origin} or a domain above.")
    if domain != _LOOPBACK and "." not in domain.strip("."):
        raise RelyingPartyRefused(f"{domain[:80]!r} is too wide: name a domain of your own.")
    return RelyingParty(rp_id=domain, origin=origin, name=name)


def _port(origin: str) -> str:
    try:
        port = urlsplit(origin).port
    except ValueError:
        raise RelyingPartyRefused(f"{origin[:80]!r} has no valid port.") from None
    return "" if port is None else f":{port}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
