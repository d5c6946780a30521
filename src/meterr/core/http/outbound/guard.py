"""From a destination to the addresses that may be connected to, and to no others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from meterr.core.http.outbound.address import Address, kind_of
from meterr.core.http.outbound.allowlist import AllowList
from meterr.core.http.outbound.destination import Destination, address_of
from meterr.core.http.outbound.errors import OutboundRefused
from meterr.core.http.outbound.judge import Reason, Trust, judge

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Look up a host's addresses, best first. Raises OSError when the name cannot be resolved."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system, as any program would."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """For destinations that somebody else chose: webhooks, key sets, addresses set over the API."""

    def __init__(self, allow: AllowList, resolve: Resolve = system_resolve) -> None:
        self._trust = Trust(allow)
        self._resolve = resolve

    async def locate(self, to: Destination) -> tuple[Address, ...]:
        """
        Return the addresses to connect to: these, without another look-up.

        Raises:
            OutboundRefused: an address is not allowed.
            OSError: the name cannot be resolved.
        """
        return await _located(to, self._resolve, self._trust)


class WrittenGuard:
    """
    For one destination that the operator wrote into the configuration.

    It may be private because it stands there. A name keeps to the kinds of places that it led to
    at first: one that was global and turns private or loopback is refused, until a restart.
    """

    def __init__(
        self, to: Destination, allow: AllowList, resolve: Resolve = system_resolve
    ) -> None:
        self._to = to
        self._trust = Trust(allow, written=True)
        self._resolve = resolve

    async def locate(self) -> tuple[Address, ...]:
        """Return the addresses to connect to. Raises as ``Guard.locate`` does."""
        addresses = await _located(self._to, self._resolve, self._trust)
        if not self._trust.known:
            self._trust = replace(self._trust, known=frozenset(map(kind_of, addresses)))
        return addresses


def check_literal(to: Destination, trust: Trust) -> Reason | None:
    """Judge a destination that is an address without any look-up; a name passes for now."""
    literal = to.literal
    return None if literal is None else judge(to, (literal,), trust)


async def _located(to: Destination, resolve: Resolve, trust: Trust) -> tuple[Address, ...]:
    literal = to.literal
    texts = await resolve(to.host, to.port) if literal is None else ()
    found = (literal,) if literal is not None else tuple(map(_without_zone, texts))
    reason = judge(to, found, trust)
    if reason is not None:
        raise OutboundRefused(reason=reason, private=f"{to.host}:{to.port} {found}")
    return found


def _without_zone(text: str) -> Address:
    address = address_of(text.partition("%")[0])
    if address is None:
        raise OSError(f"The resolver answered with what is no address: {text[:64]!r}")
    return address
