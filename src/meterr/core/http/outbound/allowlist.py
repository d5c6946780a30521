"""What the operator says is theirs: names, addresses and networks beyond the global internet."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from meterr.core.http.outbound.address import Address, plain
from meterr.core.http.outbound.destination import address_of, host_and_port

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ANY_PORT = 0


@dataclass(frozen=True, slots=True)
class AllowList:
    """
    Exact hosts (a name or an address, with or without a port) and networks.

    A network never covers a metadata service or a link-local address: name these one by one.
    """

    hosts: frozenset[tuple[str, int]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Read ``host``, ``host:port``, ``[::1]:port`` or a CIDR network; ValueError names it."""
        hosts: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in entries:
            try:
                if "/" in entry:
                    networks.append(ipaddress.ip_network(entry))
                else:
                    hosts.add(_host(entry))
            except ValueError:
                raise ValueError(
                    f"{entry[:80]!r} is neither host, host:port nor a network like 10.0.0.0/8"
                ) from None
        return cls(frozenset(hosts), tuple(networks))

    def has(self, host: str, port: int) -> bool:
        """Return whether exactly this host is listed, with this port or with none."""
        return (host, port) in self.hosts or (host, _ANY_PORT) in self.hosts

    def covers(self, address: Address) -> bool:
        """Return whether a listed network has this address."""
        return any(plain(address) in network for network in self.networks)


def _host(entry: str) -> tuple[str, int]:
    bare = address_of(entry)  # an IPv6 address may stand without brackets when it has no port
    host, port = (entry, _ANY_PORT) if bare is not None else host_and_port(entry, _ANY_PORT)
    literal = address_of(host)
    return (host if literal is None else str(plain(literal))), port
