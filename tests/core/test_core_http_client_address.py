"""Client addresses: the peer's, unless a proxy that we trust says whose it passed on."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from meterr.core.http.client_address import (
    TRUSTED_PROXIES,
    Proxies,
    client_address,
    first_untrusted,
    hops,
)
from meterr.core.http.settings import ServerSettings
from support.small_door import API, SmallDoor, open_door

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")], "x-forwarded-for")
NEAR, CLIENT = "10.0.0.1", "203.0.113.9"


def seen(peer: str, *lines: str, header: str = "x-forwarded-for") -> str | None:
    """Return the address that a request from ``peer`` with these header lines comes from."""
    proxies = Proxies(PROXIES.networks, header)
    scope = {"client": (peer, 4711), "headers": [(header.encode(), x.encode()) for x in lines]}
    found = client_address({**scope, TRUSTED_PROXIES: proxies})
    return None if found is None else str(found)


TABLE = [
    (NEAR, [CLIENT], CLIENT),
    (NEAR, [f"{CLIENT}, 10.9.9.9"], CLIENT),
    (NEAR, [CLIENT, "10.9.9.9"], CLIENT),
    (NEAR, [f"192.0.2.1, {CLIENT}"], CLIENT),  # the first is the client's own invention
    (NEAR, ["10.0.0.7, 10.0.0.8"], "10.0.0.7"),  # all of them ours: the farthest
    (NEAR, [], NEAR),
    (NEAR, ["unknown"], None),
    (NEAR, [f"{CLIENT}, "], None),
    (NEAR, ["", ""], None),
    (NEAR, [f"garbage, {CLIENT}"], CLIENT),
    (NEAR, [f"{CLIENT}:5000"], CLIENT),
    (NEAR, ["[2001:db8::9]:5000"], "2001:db8::9"),
    (NEAR, ["2001:db8::9"], "2001:db8::9"),
    (NEAR, ["::ffff:203.0.113.9"], CLIENT),
    ("::ffff:10.0.0.1", [CLIENT], CLIENT),
    ("2001:db8:1::1", [CLIENT], CLIENT),
    (NEAR, ["fe80::1%eth0"], None),
    (NEAR, ["0x7f.1"], None),
    (NEAR, ["010.0.0.1"], None),
    (CLIENT, ["10.0.0.2"], CLIENT),  # a stranger may claim what it likes
    ("127.0.0.1", [CLIENT], "127.0.0.1"),
]


@pytest.mark.parametrize(("peer", "lines", "expected"), TABLE)
def test_the_walk_goes_from_the_right_while_the_hop_is_trusted(
    peer: str, lines: list[str], expected: str | None
) -> None:
    """S1:438: attacker's text there; here the last hop that somebody we trust has seen."""
    assert expected == seen(peer, *lines)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT),
        (f'proto=https; For="{CLIENT}:80"', CLIENT),
        ('for="[2001:db8::9]:4711"', "2001:db8::9"),
        (f"for=192.0.2.1, for={CLIENT}", CLIENT),
        (f"for={CLIENT}, for=10.0.0.8", CLIENT),
        ("for=unknown", None),
        ("for=_hidden", None),
        ("proto=https", None),
        (f'for="x, for={CLIENT}', None),
        (f'for="{CLIENT}', None),
        (f'for={CLIENT};host="x,for=192.0.2.1;y"', CLIENT),
        (f'host="\\",for=192.0.2.1;";for={CLIENT}', CLIENT),
        (f"for={CLIENT};for=192.0.2.1", None),
        (f"notfor={CLIENT}", None),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(line: str, expected: str | None) -> None:
    """The same walk over the standard's own header."""
    assert expected == seen(NEAR, line, header="forwarded")


octets = st.tuples(*[st.integers(0, 255)] * 4).map(lambda parts: ".".join(map(str, parts)))


@given(st.lists(st.one_of(octets, st.text(max_size=12)), max_size=40), octets)
def test_whatever_a_client_writes_in_front_changes_nothing(spoofed: list[str], real: str) -> None:
    """S1:438: the law behind the table, for any header a client can send."""
    if PROXIES.trusts(ip_address(real)):
        real = CLIENT
    assert ip_address(real) == first_untrusted(ip_address(NEAR), [*spoofed, real], PROXIES)


def test_only_the_configured_header_is_read() -> None:
    """A proxy that writes one of the two passes the other on as the client sent it."""
    headers = [(b"forwarded", b"for=192.0.2.1"), (b"x-forwarded-for", CLIENT.encode())]
    assert [CLIENT] == hops(headers, b"x-forwarded-for")
    assert ["192.0.2.1"] == hops(headers, b"forwarded")


def test_without_an_address_there_is_none() -> None:
    """A unix socket has no address; an allow-list takes None for one that is not on it."""
    assert client_address({"client": None, "headers": []}) is None


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door() as running:
        yield running


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip"])
def test_by_default_nobody_is_trusted(door: SmallDoor, header: str) -> None:
    """S1:438: spoofing on the wire, from the loopback itself."""
    assert "127.0.0.1" == door.ask("GET", API, {header: CLIENT}).json()["client"]


def test_on_the_wire_a_trusted_proxys_word_counts() -> None:
    """The door gives handlers what they need; they ask for it by one function."""
    with open_door(trusted_proxies=("127.0.0.0/8",)) as door:
        fields = {"x-forwarded-for": f"192.0.2.1, {CLIENT}"}
        assert CLIENT == door.ask("GET", API, fields).json()["client"]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", "*", ""])
def test_the_settings_refuse_everybody_and_what_is_no_network(network: str) -> None:
    """To trust everybody is to believe every client."""
    with pytest.raises(ValidationError):
        ServerSettings(trusted_proxies=(network,))
