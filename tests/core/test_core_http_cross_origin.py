"""CSRF: what a browser says about where a request came from, in every combination."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.http.cross_origin import REFUSED, Verdict, cross_origin
from support.small_door import API, PAGE, SESSION, SESSION_TREE, SmallDoor, open_door

PUBLIC = "https://meterr.example.com"
HOST = b"meterr.example.com"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
SITES = ("same-origin", "same-site", "cross-site", "none", None)
ORIGINS = {
    "ok": "https://meterr.example.com",
    "other": "https://evil.example",
    "sibling": "https://blog.example.com",
    "suffix": "https://meterr.example.com.evil.example",
    "port": "https://meterr.example.com:8443",
    "null": "null",
    "absent": None,
}
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    None,
)


# The oracle is the table of the Go documentation, row by row; the first row that fits decides.
def passes(method: str, site: str | None, origin: str) -> bool:
    """Say what the table says, from its words and nothing of our code."""
    table = [
        (method in {"GET", "HEAD", "OPTIONS"}, True),  # 1. safe methods are always allowed
        (site in {"same-origin", "none"}, True),  # 2. Sec-Fetch-Site says it is ours, or the user's
        (site is not None, False),  # 3. Sec-Fetch-Site says anything else
        (origin == "absent", True),  # 4. no header of the two: not a browser
        (origin == "ok", True),  # 5. Origin's host is Host
        (True, False),  # 6. anything else
    ]
    return next(verdict for fits, verdict in table if fits)


CELLS = list(product(METHODS, SITES, ORIGINS, CONTENT_TYPES))


def test_every_cell_of_the_matrix_is_as_the_table_says() -> None:
    """S1:25, S2:81: a bullet there; here every cell, against an oracle of its own."""
    wrong = []
    for method, site, origin, content_type in CELLS:
        sent = ORIGINS[origin]
        verdict = cross_origin(method, site and site.encode(), sent and sent.encode(), HOST)
        if (verdict not in REFUSED) is not passes(method, site, origin):
            wrong.append((method, site, origin, content_type))
    assert [] == wrong
    assert len(METHODS) * 5 * 7 * 5 == len(CELLS)


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(allowed_hosts=(HOST.decode(),)) as running:
        yield running


WIRE_CELLS = [
    cell for cell in CELLS if cell[0] not in {"HEAD", "TRACE", "BREW"} and cell[3] != "text/plain"
]


def test_every_cell_holds_on_the_wire_of_a_route_that_takes_a_cookie(door: SmallDoor) -> None:
    """S1:25, S2:81: a refused request never reaches the handler, whatever its content type."""
    wrong = []
    for method, site, origin, content_type in WIRE_CELLS:
        fields = {"host": HOST.decode(), "cookie": "__Host-session=s"}
        fields |= {"sec-fetch-site": site} if site else {}
        fields |= {"origin": str(ORIGINS[origin])} if ORIGINS[origin] else {}
        fields |= {"content-type": content_type} if content_type else {}
        before = len(door.seen)
        answer = door.ask(method, SESSION, fields, b"{}")
        reached = len(door.seen) > before
        expected = passes(method, site, origin)
        told = (200, True) if expected else (403, False)
        if told != (answer.status, reached):
            wrong.append((method, site, origin, content_type, answer.status))
    assert [] == wrong


def test_a_refusal_is_a_problem_that_names_the_way_out(door: SmallDoor) -> None:
    """RFC 9457: 403, a stable code, and what to do."""
    fields = {"host": HOST.decode(), "sec-fetch-site": "cross-site"}
    answer = door.ask("POST", SESSION_TREE + "keys", fields)
    assert (403, "cross-origin") == (answer.status, answer.json()["code"])
    assert "own address" in answer.json()["detail"]


@pytest.mark.parametrize("twice", ["origin: {0}\r\norigin: {1}", "Origin: {1}\r\norigin: {0}"])
def test_two_origins_are_no_origin(door: SmallDoor, twice: str) -> None:
    """Bad input: neither the first nor the last counts."""
    both = twice.format(PUBLIC, "https://evil.example")
    head = f"POST {SESSION} HTTP/1.1\r\nhost: meterr.example.com\r\n{both}\r\n"
    assert b" 400 " in door.raw(f"{head}connection: close\r\n\r\n".encode())[:20]


def test_our_public_origin_passes_where_the_proxy_changed_the_host() -> None:
    """A proxy may send its own Host; the settings say what meterr is called outside."""
    fields = {"host": "127.0.0.1:8080", "origin": PUBLIC}
    with open_door(public_origin=PUBLIC) as door:
        assert 200 == door.ask("POST", SESSION, fields).status
        fields["origin"] = "http://meterr.example.com"
        assert 403 == door.ask("POST", SESSION, fields).status


@pytest.mark.parametrize("path", [API])
def test_a_route_that_takes_keys_only_never_sees_a_cookie(door: SmallDoor, path: str) -> None:
    """S1:25: a cookie that came along is left out, so it can open nothing; the call goes on."""
    fields = {"host": HOST.decode(), "cookie": "__Host-session=s", "sec-fetch-site": "cross-site"}
    assert 200 == door.ask("POST", path, fields).status
    assert b"cookie" not in dict(door.seen[-1]["headers"])


def test_a_page_may_be_opened_from_anywhere(door: SmallDoor) -> None:
    """A link on another site is no attack: reading is safe."""
    fields = {"host": HOST.decode(), "sec-fetch-site": "cross-site"}
    assert 200 == door.ask("GET", PAGE, fields).status


headers = st.one_of(st.none(), st.binary(max_size=40), st.sampled_from([PUBLIC.encode(), HOST]))


@given(st.text(max_size=8), headers, headers, headers)
def test_the_rule_is_total_and_trusts_nothing_it_was_not_told(
    method: str, site: bytes | None, origin: bytes | None, host: bytes | None
) -> None:
    """Whatever the headers hold there is a verdict; without trusted origins none is trusted."""
    verdict = cross_origin(method, site, origin, host)
    assert verdict is not Verdict.TRUSTED
    if verdict in REFUSED:
        assert verdict is cross_origin(
            method, site, origin, host, frozenset({b"https://x.example"})
        )
