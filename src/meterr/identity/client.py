"""Where a call came from, as far as keys are concerned."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

Locate = Callable[[], IPv4Address | IPv6Address | None]


class Client(NamedTuple):
    """
    The caller's address as the door knows it, and what its program calls itself.

    ``place`` may be a function: most keys are good anywhere, and then nobody asks.
    """

    place: str | Locate = ""
    user_agent: bytes = b""

    @property
    def address(self) -> str:
        """The address as text; "" when it is not known, which lies in no network."""
        if isinstance(self.place, str):
            return self.place
        found = self.place()
        return "" if found is None else str(found)


NOBODY: Final = Client()
"""No address: a key with an allow-list is refused."""
