"""Whose address a request comes from: the peer's, or what proxies that we trust say it is."""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from meterr.core.http.asgi import Headers, Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

TRUSTED_PROXIES: Final = "meterr.trusted_proxies"
"""Scope key: ``Proxies``, where any are configured."""

_FOUND: Final = "meterr.client_address"
_HOPS_MAX: Final = 32
_IPV6_PREFIX: Final = 64  # what one subscriber gets; an attacker has all of it for nothing
_IPV6_SITE_PREFIX: Final = 48  # what a site gets, and what whoever asks for it gets
_PAIR: Final = re.compile(
    r'\s*(?:(?P<name>[^\s"=,;]+)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s",;]*))?\s*(?P<end>[;,]|\Z)'
)
_WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


class Proxies:
    """The proxies in front of this server, and the header that they write clients' addresses to."""

    def __init__(self, networks: Sequence[Network], header: str) -> None:
        self.networks = networks
        self.header = header.encode()

    def trusts(self, address: Address) -> bool:
        """Say whether ``address`` is one of the proxies."""
        return any(address in network for network in self.networks)


def client_address(scope: Scope) -> Address | None:
    """
    Return the client's address.

    Without trusted proxies, or from any other peer, it is the peer's. None when it cannot be known:
    a unix socket, or a trusted proxy that passed on what is no address. An allow-list must take
    None for an address that is not on it.
    """
    if _FOUND in scope:
        known: Address | None = scope[_FOUND]
        return known
    proxies: Proxies | None = scope.get(TRUSTED_PROXIES)
    found = peer = _peer(scope)
    if peer is not None and proxies is not None:
        found = first_untrusted(peer, hops(scope["headers"], proxies.header), proxies)
    scope[_FOUND] = found
    return found


def network_of(address: str) -> str:
    """
    Return what an address is counted as: itself, or the /64 of an IPv6 address.

    An IPv4 address in IPv6 clothes is that IPv4 address. What is no address at all is counted as
    one and the same unknown place.
    """
    return _within(address, _IPV6_PREFIX)


def site_of(address: str) -> str:
    """
    Return what an address belongs to at large: itself, or the /48 of an IPv6 address.

    For sharing something out, not for refusing: some providers have thousands of customers in one.
    """
    return _within(address, _IPV6_SITE_PREFIX)


def _within(address: str, ipv6_prefix: int) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, ipv6_prefix), strict=False))
    return str(parsed)


def first_untrusted(peer: Address, written: Sequence[str], proxies: Proxies) -> Address | None:
    """
    Walk from ``peer`` back through ``written``, the hops in order, while each is a trusted proxy.

    Only what a trusted proxy wrote is believed, so whatever a client puts in front changes nothing.
    None when a trusted proxy wrote what is no address. When all are trusted, the first counts.
    """
    address = peer
    for text in reversed(written):
        if not proxies.trusts(address):
            return address
        node = _address(text)
        if node is None:
            return None
        address = node
    return address


def hops(headers: Headers, name: bytes) -> list[str]:
    """Return what the proxies wrote, in order, the last ``32`` of it; from every such header."""
    lines = [value.decode("latin-1") for header, value in headers if header == name]
    if not lines:
        return []
    text = ",".join(lines)
    if name == b"forwarded":
        return _forwarded(text)[-_HOPS_MAX:]
    return [entry.strip() for entry in text.split(",")][-_HOPS_MAX:]


def _forwarded(text: str) -> list[str]:
    """
    Return the node of each element (RFC 7239), nothing readable for an element without one.

    A quoted value may hold what separates elements and is one value all the same. Of a header that
    does not parse nothing is readable: a proxy that copies what a client chose may have written it.
    """
    nodes: list[str] = []
    named: list[str] = []
    at = 0
    while pair := _PAIR.match(text, at):
        if (pair["name"] or "").lower() == "for":
            named.append(pair["value"].strip('"'))
        if pair["end"] != ";":
            nodes.append(named[0] if len(named) == 1 else "")
            named = []
        if not pair["end"]:
            return nodes
        at = pair.end()
    return [""]


def _peer(scope: Scope) -> Address | None:
    place = scope.get("client")
    return _address(place[0]) if place else None


def _address(text: str) -> Address | None:
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port[1] or with_port[2] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        # One client is one address, also where a socket speaks both families.
        return address.ipv4_mapped or address
    return address
