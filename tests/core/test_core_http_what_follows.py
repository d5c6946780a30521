"""What follows a whole request on its connection takes nothing from the answer to it."""

from collections.abc import Iterator

import pytest

from meterr.core.http.connection import HEADERS_MAX
from support.small_door import API, SmallDoor, open_door

HOST = b"host: localhost\r\n"
WHOLE = f"POST {API} HTTP/1.1\r\n".encode() + HOST + b"content-length: 2\r\n\r\n{}"
FOLLOWS = {
    "garbage": b"\0garbage\r\n\r\n",
    "too many headers": b"GET /api HTTP/1.1\r\n" + HOST + b"a: b\r\n" * HEADERS_MAX + b"\r\n",
    "a target that is no path": b"GET http://localhost/api HTTP/1.1\r\n" + HOST + b"\r\n",
    "a broken body": b"POST /api HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\nx\r\n",
    "a refused head, then a good one": b"GET x HTTP/1.1\r\n" + HOST + b"\r\n" + WHOLE,
}  # fmt: skip


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(allowed_hosts=["localhost"]) as opened:
        yield opened


@pytest.mark.parametrize("what", FOLLOWS.values(), ids=FOLLOWS.keys())
@pytest.mark.parametrize("count", [1, 3])
def test_whole_requests_are_answered_as_themselves(
    door: SmallDoor, count: int, what: bytes
) -> None:
    """A request that was carried out and answered with 400 would be made, and charged, again."""
    before = len(door.seen)
    received = door.raw(WHOLE * count + what)
    assert count == len(door.seen) - before
    assert count == received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ")
    assert b"invalid-http" not in received
    assert received.endswith(b'{"path": "/api", "client": "127.0.0.1"}')
    assert 1 == received.count(b"\r\nconnection: close\r\n")


def test_a_request_whose_own_body_breaks_is_refused(door: SmallDoor) -> None:
    """The positive space of refusing: it was never whole."""
    assert door.raw(FOLLOWS["a broken body"]).startswith(b"HTTP/1.1 400 ")
