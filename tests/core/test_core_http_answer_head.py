"""What every answer of the process carries: the same protections, each exactly once."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from meterr.core.http.answer_head import OWN_NAMES, Audience, block, protections
from meterr.core.http.refusal import refusal
from meterr.core.http.settings import ServerSettings
from meterr.gateway.headers import _RETURNED, _RETURNED_PREFIXES
from support.small_door import (
    API,
    BROKEN,
    PAGE,
    SDK,
    SESSION,
    STREAM,
    STUBBORN,
    STUBBORN_HEADERS,
    SmallDoor,
    Told,
    open_door,
    told,
)

PUBLIC = "https://llm.example.com"
HSTS = "strict-transport-security"
BANNERS = ("server", "x-powered-by", "via", "x-aspnet-version", "x-xss-protection")


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(public_origin=PUBLIC) as running:
        yield running


def assert_protected(answer: Told, audience: Audience = Audience.PROGRAMS) -> None:
    """Hold that every protection is there once, as it should be, and no banner."""
    for name, value in protections(audience, hsts=True).items():
        assert [value] == answer.all(name), (name, answer.status)
    for name in BANNERS:
        assert [] == answer.all(name)


ANSWERS = {
    "success": ("POST", SDK, 200),
    "our own API": ("GET", API, 200),
    "a session": ("PUT", SESSION, 200),
    "a stream": ("GET", STREAM, 200),
    "a fault of ours": ("GET", BROKEN, 500),
    "no path": ("GET", "/nothing", 404),
    "no path of an SDK": ("GET", "/v1/nothing", 404),
    "no method": ("DELETE", SDK, 405),
    "a long query": ("GET", API + "?" + "a" * 9000, 414),
    "no target": ("GET", "http://localhost/", 400),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_kind_of_answer_carries_them_all(
    door: SmallDoor, method: str, path: str, status: int
) -> None:
    """S1:254-287: no-store, COOP, CORP, COEP are missing there; here nothing goes without."""
    answer = door.ask(method, path)
    assert status == answer.status
    assert_protected(answer)


def test_pages_have_a_policy_of_their_own(door: SmallDoor) -> None:
    """S1:267: scripts from ourselves only, no inline, Trusted Types required and none allowed."""
    assert_protected(door.ask("GET", PAGE), Audience.BROWSERS)


HEAD = b"POST /api HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
BEFORE_A_ROUTE = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    "too many headers": (HEAD + b"x: y\r\n" * 127 + b"\r\n", 431),
    "too large a head": (HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    "too large a body": (HEAD + b"content-length: 2000\r\n\r\n" + b"x" * 2000, 413),
    "a foreign host": (b"GET /api HTTP/1.1\r\nhost: a.b\r\nconnection: close\r\n\r\n", 421),
    "another protocol": (b"CONNECT a.b:443 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
}


@pytest.mark.parametrize(("sent", "status"), BEFORE_A_ROUTE.values(), ids=BEFORE_A_ROUTE.keys())
def test_refusals_before_any_route_carry_them_too(
    door: SmallDoor, sent: bytes, status: int
) -> None:
    """Even what the parser refuses is answered by our own connection, with the same block."""
    answer = told(door.raw(sent))
    assert status == answer.status
    assert_protected(answer)


def test_a_head_that_is_too_slow_is_refused_with_them() -> None:
    """The last of the answers that no route writes: 408."""
    with open_door(public_origin=PUBLIC, head_timeout_s=0.2) as door:
        answer = told(door.raw(b"GET /api HTTP/1.1\r\n"))
    assert 408 == answer.status
    assert_protected(answer)


def test_whatever_a_route_says_ours_win_once_each(door: SmallDoor) -> None:
    """A handler, a mounted framework or a provider cannot weaken or double one of them."""
    assert {name for name, _ in STUBBORN_HEADERS} <= OWN_NAMES
    answer = door.ask("GET", STUBBORN)
    assert_protected(answer)
    assert [] == answer.all("access-control-allow-origin")


def test_no_header_that_we_pass_on_from_a_provider_is_one_of_ours() -> None:
    """The hot path needs no filter because the allow-list and our names share nothing."""
    assert frozenset() == OWN_NAMES & _RETURNED
    assert [] == [name for name in OWN_NAMES if name.startswith(_RETURNED_PREFIXES)]


def test_hsts_is_two_years_with_subdomains_and_preload_only_by_choice() -> None:
    """S1:257: preload by default commits the operator's whole domain; here it is asked for."""
    with open_door(public_origin=PUBLIC) as door:
        assert "max-age=63072000; includeSubDomains" == door.ask("GET", API).one(HSTS)
    with open_door(public_origin=PUBLIC, hsts_preload=True) as door:
        said = door.ask("GET", API).one(HSTS)
    assert "max-age=63072000; includeSubDomains; preload" == said


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://llm.example.com",
        "https://localhost",
        "https://meterr.localhost:8443",
        "https://127.0.0.1",
        "https://[::1]:8443",
        "https://192.0.2.1",
    ],
)
def test_hsts_is_sent_only_where_the_operator_says_https(origin: str | None) -> None:
    """RFC 6797, 7.2 and 8.1.1: not without TLS, not for addresses; localhost is everybody's."""
    with open_door(public_origin=origin) as door:
        assert [] == door.ask("GET", API).all(HSTS)


@pytest.mark.parametrize("origin", [None, "http://llm.example.com"])
def test_preload_without_https_is_refused_at_start(origin: str | None) -> None:
    """S1:257: a pledge for years needs something to pledge."""
    with pytest.raises(ValidationError, match="public_origin"):
        ServerSettings(public_origin=origin, hsts_preload=True)


def test_no_answer_asks_a_browser_for_its_removed_filter(door: SmallDoor) -> None:
    """S1:262: X-XSS-Protection is gone from browsers and did harm; it is not sent."""
    assert [] == door.ask("GET", PAGE).all("x-xss-protection")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0", "é"])
def test_a_block_holds_nothing_but_headers(value: str) -> None:
    """What is written without a look at run time is looked at when it is made."""
    with pytest.raises(ValueError, match="no header"):
        block([("x", value)])


def test_a_refusal_of_the_parser_is_whole() -> None:
    """Length, shape and block: it goes out as it is."""
    answer = told(refusal(400, "No.", block([("x-a", "b")])))
    assert ("b", "close") == (answer.one("x-a"), answer.one("connection"))
    assert len(answer.body) == int(answer.one("content-length"))
