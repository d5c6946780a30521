"""Does an address of PostgreSQL say that its server has to prove who it is? Pure."""

from collections.abc import Mapping
from ipaddress import ip_address
from itertools import zip_longest

_PROOF = "verify-full"


def proves_its_server(address: Mapping[str, object], defaults: Mapping[str, str]) -> bool:
    """
    Tell whether nobody else can answer where ``address`` leads.

    So it is on this machine, or where the server has to show a certificate for its name. Of the
    weaker modes of libpq, ``require`` encrypts and takes any certificate, and ``prefer``, which is
    what it does unasked, goes on in clear.

    Args:
        address: The parts that the address names, as libpq calls them.
        defaults: What libpq adds where it names none: from its variables.
    """

    def part(name: str) -> str:
        return str(address.get(name) or defaults.get(name) or "")

    if address.get("sslmode") == _PROOF:
        return True
    if address.get("service"):  # what its file says goes before any variable
        return False
    if part("sslmode") == _PROOF:
        return True
    if part("service"):  # a file that libpq reads when it connects: it may name any host
        return False
    hosts, addresses = part("host").split(","), part("hostaddr").split(",")
    # Where the list of addresses has a gap, the name counts.
    return all(
        _is_here(at.strip() or host.strip())
        for host, at in zip_longest(hosts, addresses, fillvalue="")
    )


def _is_here(place: str) -> bool:
    """Tell sockets and loopback; nothing at all is libpq's own socket."""
    if not place or place == "localhost" or place.startswith(("/", "@")):
        return True
    try:
        return ip_address(place).is_loopback
    except ValueError:
        return False
