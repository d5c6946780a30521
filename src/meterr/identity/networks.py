"""Where a key may be used from: CIDR networks, checked when they are given, compared in memory."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from meterr.core.errors import Invalid

NETWORKS_MAX: Final = 100
_TEXT_CHARS_MAX: Final = 64
_MAPPED_BITS: Final = 96  # of ::ffff:0:0/96, the IPv4 addresses as IPv6 writes them

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """A parsed allow-list. Made once for each row that is read, asked at every call."""

    texts: tuple[str, ...]
    _v4: tuple[IPv4Network, ...] = field(init=False, repr=False, compare=False)
    _v6: tuple[IPv6Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parsed = [ipaddress.ip_network(text) for text in self.texts]
        v4 = tuple(each for each in parsed if isinstance(each, IPv4Network))
        v6 = tuple(each for each in parsed if isinstance(each, IPv6Network))
        object.__setattr__(self, "_v4", v4)
        object.__setattr__(self, "_v6", v6)

    def admit(self, address: str) -> bool:
        """Return whether ``address`` lies in one of them. What is no address lies nowhere."""
        known = address_in(address)
        if known is None:
            return False
        if isinstance(known, IPv4Address):
            return any(known in network for network in self._v4)
        return any(known in network for network in self._v6)


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that ``text`` is, IPv4 also where IPv6 maps it; None for anything else."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])  # a zone says which of our cables
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def checked_networks(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    """
    Return the networks in one spelling, without doubles, or None for everywhere; else Invalid.

    An address is a network of one. An empty list would allow nobody, so it is refused.
    """
    if texts is None:
        return None
    checked = tuple(dict.fromkeys(str(_network_in(text.strip())) for text in texts))
    if not 1 <= len(checked) <= NETWORKS_MAX:
        raise Invalid(
            f"networks needs 1 to {NETWORKS_MAX} networks; leave it out to allow every address.",
            param="networks",
        )
    return checked


def covers(outer: Sequence[str], inner: str) -> bool:
    """Return whether one network of ``outer`` holds all of ``inner``; both are checked."""
    wanted = ipaddress.ip_network(inner)
    return any(_holds(ipaddress.ip_network(each), wanted) for each in outer)


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _network_in(text: str) -> Network:
    if "%" in text:
        raise Invalid(
            "A network has no zone such as %eth0: callers' addresses come without.",
            param="networks",
        )
    try:
        network = ipaddress.ip_network(text[:_TEXT_CHARS_MAX], strict=False)
    except ValueError:
        raise Invalid(
            "A text there is no network such as 192.0.2.0/24 or 2001:db8::/32.", param="networks"
        ) from None
    written = ipaddress.ip_address(text.partition("/")[0])
    if written != network.network_address:
        raise Invalid(
            f"A network has bits beside its mask: did you mean {network} or {written}?",
            param="networks",
        )
    return _unmapped(network)


def _unmapped(network: Network) -> Network:
    """Callers come with IPv4 addresses, however a socket writes them: so must the list."""
    if not isinstance(network, IPv6Network):
        return network
    mapped = network.network_address.ipv4_mapped
    if mapped is None:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
