"""Targets: a route is reached by its path as it was sent, or not at all."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.clock import SystemClock
from meterr.core.http.door import Door
from meterr.core.http.problem import render
from meterr.core.http.route import Route
from meterr.core.http.settings import ServerSettings
from meterr.core.http.target import QUERY_BYTES_MAX, is_parameter
from meterr.core.http.web import Web
from meterr.core.ids import IdFactory
from meterr.core.telemetry import Telemetry
from support.small_door import API, SDK, SESSION, SESSION_TREE, SmallDoor, open_door, told


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door() as running:
        yield running


def spellings(path: str) -> set[str]:
    """Return what other software takes for ``path``."""
    last = path.rindex("/")
    return {
        f"/{path}",
        f"{path}/",
        f"{path}//",
        f"{path}/.",
        f"{path}/..",
        f"{path}/../{path[last + 1 :]}",
        f"/x/..{path}",
        f"/.{path}",
        f"/%2e{path}",
        f"/x/%2e%2e{path}",
        f"{path[:last]}//{path[last + 1 :]}",
        f"{path[:last]}%2f{path[last + 1 :]}",
        f"{path[:last]}%2F{path[last + 1 :]}",
        f"{path[:last]}\\{path[last + 1 :]}",
        f"{path[:last]}%5c{path[last + 1 :]}",
        f"{path};x=1",
        f"{path};",
        f"/;{path}",
        f"{path}.",
        f"{path}..",
        f"{path}.json",
        f"{path}%20",
        f"{path}%00",
        f"{path}%0a",
        f"{path}%3f",
        f"{path}%23",
        f"{path}#x",
        f"{path[:-1]}%{ord(path[-1]):x}",
        f"{path[:-1]}%25{ord(path[-1]):x}",
        f"{path[:-1]}%u00{ord(path[-1]):x}",
        path.upper(),
        path[:-1] + path[-1].upper(),
        f"http://localhost{path}",
        f"https://localhost{path}",
        f"//localhost{path}",
        f"http://evil.example{path}",
        f"http://me@localhost{path}",
        f"*{path}",
        path[1:],
        f"{path}/x",
    }


@pytest.mark.parametrize("path", [SDK, API, SESSION])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_other_spelling_of_a_path_reaches_its_handler(
    door: SmallDoor, path: str, method: str
) -> None:
    """Authorisation belongs to the matched route, so nothing but its own path may match it."""
    before = len(door.seen)
    reached = []
    for target in spellings(path):
        answer = door.ask(method, target)
        if answer.status not in {400, 404}:
            reached.append((target, answer.status))
    assert [] == reached
    assert before == len(door.seen)


FORMS = {
    "absolute": b"GET http://localhost/api HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "absolute, other host": b"GET http://evil.example/api HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "absolute, upper case": b"GET HTTP://localhost/api HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "authority": b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "fragment": b"GET /api#x HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "empty": b"GET  HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "query only": b"GET ?/api HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "space": b"GET /api /x HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "raw utf-8": "GET /api/é HTTP/1.1\r\nhost: localhost\r\n\r\n".encode(),
    "pseudo header": b"GET / HTTP/1.1\r\n:authority: localhost\r\n:path: /api\r\n\r\n",
}


@pytest.mark.parametrize("sent", FORMS.values(), ids=FORMS.keys())
def test_only_a_path_is_a_target(door: SmallDoor, sent: bytes) -> None:
    """Host against :authority: one place names the host, and that is the Host header."""
    before = len(door.seen)
    assert told(door.raw(sent)).status in {400, 404}
    assert before == len(door.seen)


@pytest.mark.parametrize(
    "header", ["x-original-url", "x-rewrite-url", "x-forwarded-path", "x-forwarded-prefix"]
)
def test_no_header_changes_the_path(door: SmallDoor, header: str) -> None:
    """Routing: what a proxy would rewrite to is not read."""
    assert 404 == door.ask("GET", "/nothing", {header: API}).status


@pytest.mark.parametrize("tail", ["..", ".", "a/../b", "a//b", "a/", "/a", "a%2fb", "%61", "a;b"])
def test_below_a_prefix_of_ours_a_path_has_one_reading(door: SmallDoor, tail: str) -> None:
    """What is mounted below, and routes by itself, gets plain segments only."""
    before = len(door.seen)
    assert 404 == door.ask("POST", SESSION_TREE + tail).status
    assert before == len(door.seen)
    assert 200 == door.ask("POST", SESSION_TREE + "keys/01a20675-254d~x.y_z").status


def test_names_of_models_may_hold_slashes_and_encoded_text(door: SmallDoor) -> None:
    """OpenAI's SDK encodes the slash of `org/model`; both forms are that model."""
    for tail in ("org/model", "org%2Fmodel", "org%2fm%6fdel"):
        assert "/v1/models/org/model" == door.ask("GET", f"/v1/models/{tail}").json()["path"]
    for tail in ("..", "%2e%2e", "a%2f..%2fb", "a%2f%2fb", "a%00", "a%5cb", "a%3bb", "a%252fb"):
        assert 404 == door.ask("GET", f"/v1/models/{tail}").status
    assert 404 == door.ask("GET", "/v1/models/a%ff").status


@pytest.mark.parametrize("path", [API, "/nothing", "/v1/nothing"])
def test_a_query_string_ends_at_its_limit(door: SmallDoor, path: str) -> None:
    """Limits: 8 KiB pass, one byte more is 414, on every path."""
    assert 414 != door.ask("GET", f"{path}?{'a' * QUERY_BYTES_MAX}").status
    answer = door.ask("GET", f"{path}?{'a' * (QUERY_BYTES_MAX + 1)}")
    assert (414, "query-too-long") == (answer.status, answer.json()["code"])


def test_two_routes_never_take_the_same_path() -> None:
    """Which of two prefixes wins is nobody's guess: such a door is not built."""
    clock = SystemClock()
    route = Route("x", {})
    with pytest.raises(ValueError, match="two routes"):
        Door(
            exact={},
            below={"/api/": route, "/api/v2/": route},
            web=Web(ServerSettings()),
            dialect=render,
            ids=IdFactory(clock),
            telemetry=Telemetry(clock),
            log_from_status=0,
        )


@given(st.binary(max_size=30))
def test_what_passes_for_a_parameter_is_plain(tail: bytes) -> None:
    """Whatever the bytes; what passes has no empty and no dotted segment, and nothing encoded."""
    if is_parameter(tail, any_text=False):
        assert tail.isascii()
        assert b"%" not in tail
        assert {b"", b".", b".."}.isdisjoint(tail.split(b"/"))
        assert is_parameter(tail, any_text=True)
