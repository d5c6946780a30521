"""Web origins (RFC 6454) as a browser spells them: scheme, host and port, nothing more. Pure."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_HOST: Final = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9_.-]+)(?::[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK_NAME: Final = "localhost"


class Origin(NamedTuple):
    """An origin in its parts; ``str(origin)`` would be no header, ``text`` is."""

    text: str
    scheme: str
    host: str
    port: int


def parsed_origin(text: str) -> Origin:
    """
    Return ``text`` in its parts if a browser could send it as ``Origin``.

    Raises ValueError with the way out; the text names the value only where that can hold no secret.
    """
    if text == "null":
        raise ValueError("'null' is what any sandboxed page sends: name an origin")
    if "*" in text:
        raise ValueError("patterns are refused: name each origin in full, https://app.example.com")
    if "@" in text:
        raise ValueError("an origin has no user name or password: https://app.example.com")
    found = _ORIGIN.fullmatch(text)
    if found is None or ".." in text:
        raise ValueError(
            f"{text!r} is no origin: write it as a browser sends it, in lower case, with http or "
            "https, and without a path or a slash at the end: https://app.example.com"
        )
    scheme, host = found["scheme"], found["host"]
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if port > 65535:
        raise ValueError(f"{text!r}: ports end at 65535")
    if found["port"] and port == _DEFAULT_PORTS[scheme]:
        raise ValueError(f"{text!r}: browsers leave out the usual port, so write {scheme}://{host}")
    if host.startswith("["):
        host = _checked_address(text, host)
    return Origin(text, scheme, host, port)


def _checked_address(text: str, host: str) -> str:
    try:
        written = f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        raise ValueError(f"{text!r}: {host} is no IPv6 address") from None
    if written != host:
        raise ValueError(f"{text!r}: browsers write this address {written}")
    return host


def host_in(field: bytes) -> str | None:
    """
    Return the host that a ``Host`` field names, in lower case and without the port.

    None when the field is not a host and an optional port.
    """
    found = _HOST.fullmatch(field)
    return None if found is None else found[1].decode("ascii").lower()


def is_address(host: str) -> bool:
    """Say whether ``host`` is an IP address, an IPv6 one in brackets."""
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return (address.version == 6) == host.startswith("[")


def is_loopback(host: str) -> bool:
    """Say whether ``host`` is this very machine by its usual names and addresses."""
    if host == _LOOPBACK_NAME or host.endswith("." + _LOOPBACK_NAME):
        return True
    return is_address(host) and ip_address(host.strip("[]")).is_loopback
