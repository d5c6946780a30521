"""What kind of place an IP address is. Pure, and the same on every patch release of Python."""

import ipaddress
from enum import StrEnum
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Kind(StrEnum):
    """Where an address leads, seen from this host."""

    GLOBAL = "global"
    PRIVATE = "private"  # RFC 1918, unique local, and what else people use inside
    LOOPBACK = "loopback"
    METADATA = "metadata"  # a cloud's service that hands out credentials to whoever asks
    LINK_LOCAL = "link-local"
    NOWHERE = "nowhere"  # unspecified, multicast, reserved, documentation, tunnels


METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # nearly every cloud
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",  # AWS, pods
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, pods
            "fd20:ce::254",  # Google
            "168.63.129.16",  # Azure; an address like any other but for that
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
        ),
    )
)

_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # carriers, Tailscale
            "198.18.0.0/15",  # benchmarks, and proxies that answer for every name
            "240.0.0.0/4",  # reserved, and given out inside clouds
            "fc00::/7",
        ),
    )
)
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")
_NOWHERE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # protocol assignments, Teredo among them
            "2002::/16",  # 6to4: leads to whatever IPv4 address is inside
            "3fff::/20",  # documentation
        ),
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")  # all that is given out; the rest is special
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def plain(address: Address) -> Address:
    """
    Return where packets to ``address`` arrive: the IPv4 address inside a mapped or NAT64 one.

    A zone is dropped. NAT64 behind a prefix of an operator's own is not recognised.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return ipaddress.IPv6Address(int(address))


def kind_of(address: Address) -> Kind:
    """Return the kind of place that ``address`` is. What nobody has a use for is NOWHERE."""
    address = plain(address)
    if address in METADATA:
        return Kind.METADATA
    if address.is_loopback:
        return Kind.LOOPBACK
    if address != _BROADCAST and any(address in network for network in _PRIVATE):
        return Kind.PRIVATE
    if address.is_link_local:
        return Kind.LINK_LOCAL
    if address.is_multicast or address.is_unspecified or not address.is_global:
        return Kind.NOWHERE
    if any(address in network for network in _NOWHERE):
        return Kind.NOWHERE
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return Kind.NOWHERE
    return Kind.GLOBAL
