"""What an address is counted as. Pure."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

IPV6_PREFIX: Final = 64  # what one subscriber gets; an attacker has all of it for nothing


def network_of(address: str) -> str:
    """
    Return what an address is counted as: itself, or the /64 of an IPv6 address.

    An IPv4 address in IPv6 clothes is that IPv4 address. "" for what is no address.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)
