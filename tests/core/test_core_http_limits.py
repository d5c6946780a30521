"""Limits of a request: at the limit it passes, one beyond it is refused."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.core.http.connection import HEADERS_MAX
from meterr.core.http.json_body import (
    API_BODY_BYTES_MAX,
    API_JSON_DEPTH_MAX,
    API_JSON_MARKS_MAX,
    is_deeper,
)
from support.small_door import API, DOCUMENT, SmallDoor, open_door, told

HEAD_BYTES_MAX = 4096
PLAIN = "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n"


@pytest.fixture(scope="module")
def door() -> Iterator[SmallDoor]:
    with open_door(head_bytes_max=HEAD_BYTES_MAX) as running:
        yield running


def get(door: SmallDoor, more: str = "", target: str = API) -> int:
    """Return the status of a request with further header lines."""
    return told(door.raw(PLAIN.format(target=target, more=more).encode())).status


def test_headers_end_at_their_number(door: SmallDoor) -> None:
    """128 lines, Host and Connection among them."""
    assert 128 == HEADERS_MAX
    assert 200 == get(door, "x: y\r\n" * (HEADERS_MAX - 2))
    assert 431 == get(door, "x: y\r\n" * (HEADERS_MAX - 1))


def test_headers_end_at_their_bytes(door: SmallDoor) -> None:
    """``server.head_bytes_max`` counts the target and every line: name, value and four."""
    taken = len(API) + len("hostlocalhost") + 4 + len("connectionclose") + 4 + len("x") + 4
    assert 200 == get(door, f"x: {'a' * (HEAD_BYTES_MAX - taken)}\r\n")
    assert 431 == get(door, f"x: {'a' * (HEAD_BYTES_MAX - taken + 1)}\r\n")
    assert 431 == get(door, target=f"{API}?{'a' * HEAD_BYTES_MAX}")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_ends_at_its_bytes(door: SmallDoor, is_chunked: bool) -> None:
    """Announced or in pieces: 1024 here, ``server.body_bytes_max`` on the metered paths."""
    for size, status in ((1024, 200), (1025, 413)):
        length = "transfer-encoding: chunked" if is_chunked else f"content-length: {size}"
        head = f"POST {API} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{length}\r\n\r\n"
        body = b"x" * size
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if is_chunked else body
        assert status == told(door.raw(head.encode() + sent)).status


def nested(depth: int) -> bytes:
    """Return a document of this depth."""
    return b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"]" * (depth % 2) + b"]}" * (depth // 2)


def test_a_document_of_our_api_ends_at_its_depth_and_size(door: SmallDoor) -> None:
    """A mebibyte and 32 levels; what an SDK sends has limits of its own."""
    assert (1024 * 1024, 32) == (API_BODY_BYTES_MAX, API_JSON_DEPTH_MAX)
    assert 200 == door.ask("POST", DOCUMENT, None, nested(API_JSON_DEPTH_MAX)).status
    answer = door.ask("POST", DOCUMENT, None, nested(API_JSON_DEPTH_MAX + 1))
    assert (400, "invalid-request") == (answer.status, answer.json()["code"])
    text = b'"' + b"a" * (API_BODY_BYTES_MAX - 2) + b'"'
    assert 200 == door.ask("POST", DOCUMENT, None, text).status
    assert 413 == door.ask("POST", DOCUMENT, None, text + b" ").status


def test_a_document_of_our_api_ends_at_its_marks(door: SmallDoor) -> None:
    """What is counted in C costs nothing; what is parsed holds up everybody else's calls."""
    assert 20_000 == API_JSON_MARKS_MAX
    for piece, last in ((b"{},", b"1"), (b"[],", b"1"), (b"1,", b"1"), (b'",",', b"1")):
        marks = sum(map(piece.count, (b"[", b"{", b",")))
        full = piece * ((API_JSON_MARKS_MAX - 1) // marks)
        rest = b"0," * ((API_JSON_MARKS_MAX - 1) % marks)
        assert 200 == door.ask("POST", DOCUMENT, None, b"[" + full + rest + last + b"]").status
        answer = door.ask("POST", DOCUMENT, None, b"[" + full + rest + b"0," + last + b"]")
        assert (400, "invalid-request") == (answer.status, answer.json()["code"])


values = st.recursive(
    st.one_of(st.none(), st.integers(), st.text('[]{}"\\a')),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text('[]{}"\\'), inner)),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    """Count what is open at the deepest place, in the parsed value."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(values, st.integers(0, 12))
def test_depth_is_that_of_the_parsed_value(value: object, depth_max: int) -> None:
    """Brackets and quotes inside strings are text."""
    assert (depth_of(value) > depth_max) is is_deeper(json.dumps(value).encode(), depth_max)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_depth(body: bytes) -> None:
    """What is no JSON is for the parser to refuse; counting never fails and never takes long."""
    assert is_deeper(body, len(body)) is False


@pytest.mark.parametrize(
    "body", [b'"' * 500_001, b'"\\' * 300_000, b"[" * 900_000, b"{]" * 400_000]
)
def test_hostile_bodies_are_counted_in_one_pass(body: bytes) -> None:
    """A mebibyte of quotes or brackets costs no more than its length."""
    assert is_deeper(body, API_JSON_DEPTH_MAX) is body.startswith(b"[")
