"""Answers on a real socket: every framing, however cut; every smuggling shape, by name."""

import asyncio
from dataclasses import dataclass

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from meterr.gateway.upstream import UpstreamClosed, UpstreamProtocolError
from support.hostile_server import (
    CHUNKED,
    HEADERS,
    OK,
    answers,
    answers_then_closes,
    cut,
    hostile,
    pool_of,
    post,
)

H = b"HTTP/1.1 200 OK\r\n"
MIB = 1 << 20


@dataclass(frozen=True)
class Expected:
    wire: bytes
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    trailers: list[tuple[bytes, bytes]]


def chunked(parts: list[bytes], trailers: list[tuple[bytes, bytes]], extension: bytes) -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return chunks + b"0\r\n" + b"".join(b"%b: %b\r\n" % trailer for trailer in trailers) + b"\r\n"


names = st.from_regex(rb"x-[a-z]{1,8}", fullmatch=True)
values = st.from_regex(rb"([!-~]([ -~]{0,12}[!-~])?)?", fullmatch=True)
pairs = st.lists(st.tuples(names, values), max_size=5)


@st.composite
def valid_answers(draw: st.DrawFn) -> Expected:
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 429, 500]))
    headers = draw(pairs)
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"])) * draw(
        st.integers(0, 2)
    )
    parts = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    body, trailers = b"".join(parts), []
    kind = draw(st.sampled_from(["length", "chunked", "close"]))
    if status in (204, 304):
        framed, rest, body = [], b"", b""
    elif kind == "length":
        framed, rest = [(b"content-length", b"%d" % len(body))], body
    elif kind == "chunked":
        trailers = draw(pairs)
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b c"']))
        framed, rest = [(b"transfer-encoding", b"chunked")], chunked(parts, trailers, extension)
    else:
        framed, rest = [(b"connection", b"close")], body
    headers = headers + framed
    head = b"HTTP/1.1 %d X\r\n" % status + b"".join(b"%b: %b\r\n" % h for h in headers) + b"\r\n"
    return Expected(interim + head + rest, status, headers, body, trailers)


async def check_split(expected: Expected, places: list[int]) -> None:
    async with (
        hostile(answers_then_closes(*cut(expected.wire, places))) as server,
        pool_of(server) as pool,
    ):
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        body = await answer.read(MIB)
        assert expected.status == answer.status
        assert expected.headers == answer.headers
        assert expected.body == body
        assert expected.trailers == list(answer.trailers)


@settings(max_examples=120)
@given(valid_answers(), st.lists(st.integers(min_value=0, max_value=400), max_size=12))
def test_any_split_of_an_answer_into_writes_gives_the_same_answer(
    expected: Expected, places: list[int]
) -> None:
    """Issue 2: TCP may cut anywhere; status, headers, body and trailers do not depend on it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(check_split(expected, places))


@pytest.mark.parametrize("wire", [OK, CHUNKED + b'2;a="b"\r\nok\r\n0\r\nX-Usage: 9\r\n\r\n'])
async def test_an_answer_may_arrive_byte_by_byte(wire: bytes) -> None:
    """Issue 2: the extreme split."""
    async with hostile(answers(*cut(wire, list(range(400))))) as server, pool_of(server) as pool:
        for _ in range(2):
            assert (200, b"ok") == await post(pool)
        assert 1 == server.connections


async def test_an_answer_in_one_read_has_its_body_at_once() -> None:
    """P9: the hot path wakes its caller once; the body is there with the head."""
    async with hostile(answers(OK)) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        assert b"ok" == answer.body_now
        assert b"ok" == await answer.read(2)
        assert [] == [part async for part in answer]
        answer.abort()
        assert (200, b"ok") == await post(pool)
        assert 1 == server.connections


async def test_the_request_is_written_as_asked() -> None:
    """P8: method, target, headers and body go out as given; Host and Content-Length are added."""
    async with hostile(answers(OK)) as server, pool_of(server) as pool:
        await pool.send(b"POST", b"/v1/x?beta=true", [(b"X-Api-Key", b"k")], b"body")
        await pool.send(b"GET", b"/v1/models", [])
        assert [
            b"POST /v1/x?beta=true HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Api-Key: k\r\n"
            b"Content-Length: 4\r\n\r\nbody" % server.port,
            b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port,
        ] == server.requests


async def test_an_http_1_0_answer_ends_with_its_connection() -> None:
    """Issue 2, item 7: HTTP/1.0 answers."""
    async with (
        hostile(answers_then_closes(b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nold", b" times")) as server,
        pool_of(server) as pool,
    ):
        assert (200, b"old times") == await post(pool)
        assert (200, b"old times") == await post(pool)
        assert 2 == server.connections


async def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    """Issue 2, item 7: HEAD; the connection is not trusted afterwards."""
    async with (
        hostile(answers(H + b"Content-Length: 5\r\n\r\n")) as server,
        pool_of(server) as pool,
    ):
        for _ in range(2):
            assert (200, b"") == await post(pool, b"", method=b"HEAD")
        assert 2 == server.connections


async def test_a_large_body_is_written_whole() -> None:
    """Issue 2, item 6: bodies up to 32 MiB pass."""
    async with hostile(answers(OK)) as server, pool_of(server) as pool:
        body = bytes(range(256)) * (64 * 1024)
        assert (200, b"ok") == await post(pool, body)
        assert server.requests[0].endswith(b"\r\n\r\n" + body)


REFUSED = {
    "length and encoding": (H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"),
    "encoding and length": (H + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok"),
    "two lengths": (H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "two equal lengths": (H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    "negative length": H + b"Content-Length: -2\r\n\r\nok",
    "plus length": H + b"Content-Length: +2\r\n\r\nok",
    "hex length": H + b"Content-Length: 0x2\r\n\r\nok",
    "length with a space": H + b"Content-Length: 1 2\r\n\r\nok",
    "list of lengths": H + b"Content-Length: 2, 2\r\n\r\nok",
    "empty length": H + b"Content-Length:\r\n\r\nok",
    "overlong length": H + b"Content-Length: 18446744073709551617\r\n\r\nok",
    "gzip, chunked": H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": H + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": H + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "identity": H + b"Transfer-Encoding: identity\r\n\r\nok",
    "chunked behind a vertical tab": H + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "obs-fold": H + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "space after the status line": H + b" A: b\r\nContent-Length: 2\r\n\r\nok",
    "space before the colon": H + b"Content-Length : 2\r\n\r\nok",
    "NUL in a name": H + b"A\0: b\r\n\r\n",
    "NUL in a value": H + b"A: b\0\r\n\r\n",
    "CR in a value": H + b"A: b\rContent-Length: 2\r\n\r\nok",
    "CR in a name": H + b"A\rB: b\r\n\r\nok",
    "empty name": H + b": b\r\n\r\nok",
    "line without a colon": H + b"A\r\n\r\nok",
    "bare LF everywhere": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare LF after a header": H + b"Content-Length: 2\n\r\nok",
    "bare LF at the end of the head": H + b"Content-Length: 2\r\n\nok",
    "status 199 claims a body": b"HTTP/1.1 199 X\r\nContent-Length: 2\r\n\r\n" + OK,
    "status 600": b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nok",
    "status 099": b"HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 X\r\nContent-Length: 2\r\n\r\nok",
    "switched protocols": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2 status line": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "another protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "empty lines first": b"\r\n\r\n" + OK,
    "HTML without a head": b"<html>502 Bad Gateway</html>",
    "endless 1xx": b"HTTP/1.1 103 X\r\n\r\n" * 9 + OK,
    "200 headers and one": H + b"A: b\r\n" * 201 + b"\r\n",
    "head over 64 KiB in one header": H + b"A: " + b"b" * 70_000 + b"\r\n\r\n",
    "head over 64 KiB without an end": H + b"A: b\r\n" * 12_000,
}  # fmt: skip


@pytest.mark.parametrize("one_by_one", [False, True], ids=["at once", "cut"])
@pytest.mark.parametrize("wire", REFUSED.values(), ids=REFUSED.keys())
async def test_a_smuggling_shaped_head_is_refused(wire: bytes, one_by_one: bool) -> None:
    """Issue 2, item 7: smuggling-shaped answers are refused, and their connection is closed."""
    places = list(range(1, len(wire), 1 if len(wire) < 500 else 9_000)) if one_by_one else []
    async with hostile(answers(*cut(wire, places))) as server, pool_of(server) as pool:
        with pytest.raises(UpstreamProtocolError) as caught:
            await post(pool)
        assert caught.value.sent
        await server.all_closed()
        assert 1 == len(server.requests)


BAD_CHUNKS = {
    "size that is no number": b"g\r\nok\r\n0\r\n\r\n",
    "negative size": b"-2\r\nok\r\n0\r\n\r\n",
    "0x size": b"0x2\r\nok\r\n0\r\n\r\n",
    "space before the size": b" 2\r\nok\r\n0\r\n\r\n",
    "space after the size": b"2 \r\nok\r\n0\r\n\r\n",
    "empty size": b"\r\nok\r\n0\r\n\r\n",
    "overflowing size": b"fffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "chunk longer than its size": b"2\r\nokX\r\n0\r\n\r\n",
    "bare LF after the size": b"2\nok\r\n0\r\n\r\n",
    "bare LF after the chunk": b"2\r\nok\n0\r\n\r\n",
    "line end in a quoted extension": b'2;a="b\n"\r\nok\r\n0\r\n\r\n',
    "obs-fold in a trailer": b"2\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n",
    "length as a trailer": b"2\r\nok\r\n0\r\nContent-Length: 2\r\n\r\n",
    "encoding as a trailer": b"2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "201 trailers": b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 201 + b"\r\n",
    "endless extension": b"2;" + b"a" * 400_000 + b"\r\nok\r\n0\r\n\r\n",
    "endless trailer": b"2\r\nok\r\n0\r\nA: " + b"a" * 400_000 + b"\r\n\r\n",
    "a long extension on every byte": (b"1;" + b"a" * 500 + b"\r\no\r\n") * 800 + b"0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("cut_at", [0, 1], ids=["with the head", "after the head"])
@pytest.mark.parametrize("wire", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
async def test_a_bad_chunk_ends_the_answer_with_an_error(wire: bytes, cut_at: int) -> None:
    """Issue 2, item 7: invalid sizes are refused, extensions and trailers tolerated but bounded."""
    pieces = [CHUNKED, wire] if cut_at else [CHUNKED + wire]
    async with hostile(answers(*pieces)) as server, pool_of(server) as pool:
        with pytest.raises(UpstreamProtocolError):
            await post(pool)
        await server.all_closed()


async def test_small_chunks_with_small_extensions_are_tolerated_without_end() -> None:
    """A slow writer of one-byte chunks is clumsy, not hostile."""
    wire = b"1;a=b\r\no\r\n" * 50_000 + b"0\r\n\r\n"
    async with hostile(answers(CHUNKED, wire)) as server, pool_of(server) as pool:
        assert (200, b"o" * 50_000) == await post(pool)


CUT_SHORT = {
    "in the length-framed body": H + b"Content-Length: 9\r\n\r\nok",
    "in a chunk": CHUNKED + b"9\r\nok",
    "before the last chunk": CHUNKED + b"2\r\nok\r\n",
    "in the trailers": CHUNKED + b"2\r\nok\r\n0\r\nA: b\r\n",
}


@pytest.mark.parametrize("wire", CUT_SHORT.values(), ids=CUT_SHORT.keys())
async def test_a_body_cut_short_gives_its_bytes_and_then_the_error(wire: bytes) -> None:
    """Issue 2: upstream closes mid-chunk; what came before the cut is still metered."""
    async with hostile(answers_then_closes(wire)) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        assert answer.body_now is None
        assert b"ok" == await anext(answer)
        with pytest.raises(UpstreamClosed) as caught:
            await anext(answer)
        assert caught.value.sent
        assert caught.value.in_body


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 2", H + b"Content-Length: 2\r\n"])
async def test_a_connection_closed_before_the_head_is_an_error_of_its_own(wire: bytes) -> None:
    """P2: the request went out, so the call may have cost money."""
    async with hostile(answers_then_closes(wire)) as server, pool_of(server) as pool:
        with pytest.raises(UpstreamClosed) as caught:
            await post(pool)
        assert caught.value.sent
        assert not caught.value.in_body
        assert 1 == len(server.requests)
