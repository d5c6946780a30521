"""Hosts: which names meterr answers to, and what a page on a rebound name gets."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from meterr.core.errors import Invalid
from meterr.core.http.hosts import AllowedHosts, HostRefused
from meterr.core.http.settings import ServerSettings
from support.small_door import API, PAGE, SDK, SESSION, SmallDoor, open_door, told


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door() as running:
        yield running


PATHS = [("POST", SDK), ("GET", API), ("POST", SESSION), ("GET", PAGE), ("GET", "/nothing")]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_page_on_a_rebound_name_reaches_no_route(door: SmallDoor, method: str, path: str) -> None:
    """DNS rebinding: evil.example now resolves to 127.0.0.1; for its pages we are same-origin."""
    port = door.port
    rebound = {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"}
    before = len(door.seen)
    answer = door.ask(method, path, {**rebound, "sec-fetch-site": "same-origin"})
    assert (421, "host-not-allowed") == (answer.status, answer.json()["code"])
    assert b"evil" not in answer.body
    assert before == len(door.seen)


GOOD = ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:65535"]
FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "localhost.",
    "127.0.0.1.nip.example",
    "127.0.0.2",
    "127.1",
    "0.0.0.0",  # noqa: S104 - asked for, not listened on
    "2130706433",
    "[::ffff:127.0.0.1]",
    "m",
]
MALFORMED = ["", " ", "a b", "me@localhost", "localhost/x", "localhost:x", "localhost,evil.example"]
MALFORMED += ["http://localhost", "localhost:8080:1", "[::1", "::1", "localhost\\", "localhost:"]


@pytest.mark.parametrize("host", GOOD)
def test_this_machines_own_names_are_always_allowed(door: SmallDoor, host: str) -> None:
    """Whatever the port: a proxy or a container may publish another one."""
    assert 200 == door.ask("GET", API, {"host": host}).status


@pytest.mark.parametrize("host", FOREIGN)
def test_any_other_name_is_421(door: SmallDoor, host: str) -> None:
    """Exact names only: no suffix, no prefix, no other spelling of an address."""
    assert 421 == door.ask("GET", API, {"host": host}).status


@pytest.mark.parametrize("host", MALFORMED)
def test_what_is_no_host_is_400(door: SmallDoor, host: str) -> None:
    """RFC 9112, 3.2: a server must refuse it."""
    assert 400 == door.ask("GET", API, {"host": host}).status


HEAD = "GET /api HTTP/1.{0}\r\n{1}connection: close\r\n\r\n"
DOUBLED = [
    "host: localhost\r\nhost: evil.example\r\n",
    "host: evil.example\r\nhost: localhost\r\n",
    "host: localhost\r\nx: y\r\nHOST: localhost\r\n",
    "x: y\r\nhost: evil.example\r\nhost: localhost\r\n",
    "a: m\r\nhost: n\r\nhost: m\r\n",
]


@pytest.mark.parametrize("lines", DOUBLED)
def test_two_hosts_are_400_wherever_they_stand(door: SmallDoor, lines: str) -> None:
    """RFC 9112, 3.2: neither the first nor the last one counts."""
    before = len(door.seen)
    assert 400 == told(door.raw(HEAD.format(1, lines).encode())).status
    assert before == len(door.seen)


def test_no_host_is_400_in_http_1_1_and_a_probe_in_1_0(door: SmallDoor) -> None:
    """Balancers probe with HTTP/1.0 and no Host; browsers always send one."""
    assert 400 == told(door.raw(HEAD.format(1, "").encode())).status
    assert 200 == told(door.raw(HEAD.format(0, "").encode())).status
    assert 421 == told(door.raw(HEAD.format(0, "host: evil.example\r\n").encode())).status


@pytest.mark.parametrize("listens_on", ["0.0.0.0", "::", ""])  # noqa: S104 - not listened on
def test_in_a_container_probes_by_address_pass_and_names_do_not(listens_on: str) -> None:
    """An address cannot be rebound; a name of the network must be named in the settings."""
    hosts = AllowedHosts(["meterr"], listens_on)
    assert all(map(hosts.allows, ["10.1.2.3", "[2001:db8::1]", "meterr", "localhost"]))
    assert not any(map(hosts.allows, ["meterr.evil.example", "other", "10.1.2.3.nip.example"]))


@pytest.mark.parametrize(
    ("listens_on", "host"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "[2001:db8::7]"), ("Box.example", "box.example")],
)
def test_the_address_that_is_served_may_be_named(listens_on: str, host: str) -> None:
    """What the operator bound is what clients call."""
    hosts = AllowedHosts([], listens_on)
    assert hosts.allows(host)
    assert not hosts.allows("192.0.2.8")


def test_the_public_origins_host_is_allowed() -> None:
    """One setting is enough behind a proxy."""
    with open_door(public_origin="https://llm.example.com:8443") as door:
        assert 200 == door.ask("GET", API, {"host": "llm.example.com:8443"}).status
        assert 421 == door.ask("GET", API, {"host": "example.com"}).status


@pytest.mark.parametrize(
    "name", ["*", "*.example.com", ".example.com", "Meterr", "a:80", "a/b", "", "a b", "a.", "é"]
)
def test_the_settings_refuse_patterns_and_what_is_no_host(name: str) -> None:
    """A pattern is how allow-lists end up allowing everything."""
    with pytest.raises(ValidationError):
        ServerSettings(allowed_hosts=("meterr", name))


@given(st.binary(max_size=60))
def test_the_check_is_total_and_remembers_only_what_it_let_in(field: bytes) -> None:
    """Whatever the bytes: let in and remembered, or refused; the memory is bounded."""
    hosts = AllowedHosts(["meterr"], "127.0.0.1")
    for n in range(300):
        hosts.check(b"localhost:%d" % n, "1.1")
    assert 256 == len(hosts.accepted)
    with suppress(Invalid, HostRefused):
        hosts.check(field, "1.1")
    assert field not in hosts.accepted or field.lower().startswith(b"localhost:")
