"""Kept-alive connections: used again when they are whole, never when anything is left on them."""

import asyncio

import pytest

from meterr.gateway.upstream import Timeouts, UpstreamClosed
from support.hostile_server import (
    CHUNKED,
    HEADERS,
    OK,
    Peer,
    answers,
    answers_then_closes,
    hostile,
    pool_of,
    post,
)

H = b"HTTP/1.1 200 OK\r\n"
NEVER_WHOLE = H + b"Content-Length: 9\r\n\r\nok"
CLOSE = H + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "pieces",
    [
        [OK],
        [H, b"Content-Length: 2\r\n\r\n", b"ok"],
        [H + b"Content-Length: 4\r\n\r\nok\r\n"],
        [CHUNKED + b"2\r\nok\r\n0\r\n\r\n"],
        [CHUNKED, b"2\r\nok\r\n", b"0\r\n\r\n"],
        [CHUNKED + b"2\r\nok\r\n0\r\nX-Usage: 1\r\n\r\n"],
        [H + b"Content-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 204 No Content\r\n\r\n"],
        [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + OK],
        [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"],
    ],
)
async def test_a_whole_answer_leaves_its_connection_for_the_next(pieces: list[bytes]) -> None:
    """P9: the warm path opens no connection."""
    async with hostile(answers(*pieces)) as server, pool_of(server) as pool:
        for _ in range(5):
            await post(pool)
        assert (1, 5) == (server.connections, len(server.requests))


@pytest.mark.parametrize(
    "wire",
    [
        CLOSE,
        H + b"Connection: x, Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        CLOSE + b"X",
    ],
)
async def test_a_connection_that_is_to_be_closed_is_not_used_again(wire: bytes) -> None:
    """Issue 2, item 7: Connection: close is honoured, even when the server does not close."""
    async with hostile(answers(wire)) as server, pool_of(server) as pool:
        for _ in range(3):
            assert (200, b"ok") == await post(pool)
        assert 3 == server.connections


SPLITTERS = {
    "a second answer": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "the first byte of one": OK + b"H",
    "garbage": OK + b"\0",
    "a line end": OK + b"\r\n",
    "a bare LF": OK + b"\n",
    "a second answer after chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + OK,
    "a line end after chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n\r\n",
    "a body on 204": b"HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok",
    "a line end on 304": b"HTTP/1.1 304 X\r\n\r\n\r\n",
}


@pytest.mark.parametrize("wire", SPLITTERS.values(), ids=SPLITTERS.keys())
async def test_bytes_after_the_answer_reach_nobody(wire: bytes) -> None:
    """Issue 2, item 7: response splitting: the answer stands, its connection does not."""
    async with hostile(answers(wire)) as server, pool_of(server) as pool:
        for _ in range(3):
            _, body = await post(pool)
            assert body in (b"ok", b"")
        assert 3 == server.connections


async def test_bytes_on_an_idle_connection_close_it() -> None:
    """Issue 2, item 7: an answer nobody asked for is never the next caller's."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.until_closed()

    async with hostile(script) as server, pool_of(server) as pool:
        assert (200, b"ok") == await post(pool)
        await server.all_closed()
        assert (200, b"ok") == await post(pool)
        assert 2 == server.connections


async def test_unread_bytes_on_an_idle_connection_are_noticed_before_it_is_used() -> None:
    """Issue 2, item 7: after a pause the kernel is asked, not only our own loop."""
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await sent.wait()
            peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.until_closed()

    async with hostile(script) as server, pool_of(server) as pool:
        await post(pool)
        pool._ticks.now += 1  # a quiet moment passes
        sent.set()
        await asyncio.sleep(0)  # the server writes; our loop has had no chance to read
        assert (200, b"ok") == await post(pool)
        assert 2 == server.connections


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_a_connection_closed_while_idle_is_replaced_by_a_fresh_one(
    how: str,
) -> None:
    """Issue 2, item 7: stale keep-alive: nothing was written, so a fresh connection is right."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if how == "reset":
            peer.reset()
        elif how == "half-close":
            peer.half_close()
            await peer.until_closed()

    async with hostile(script) as server, pool_of(server) as pool:
        for expected in (1, 2, 3):
            assert (200, b"ok") == await post(pool)
            await server.all_closed()
            assert expected == server.connections == len(server.requests)


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_a_request_that_went_out_is_never_repeated(reset: bool) -> None:
    """P2: the server closes a reused connection upon the request: it may have been paid for."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if reset:
            peer.reset()

    async with hostile(script) as server, pool_of(server) as pool:
        await post(pool)
        with pytest.raises(UpstreamClosed) as caught:
            await post(pool, b"the paid one")
        assert caught.value.sent
        assert 1 == sum(request.endswith(b"the paid one") for request in server.requests)
        assert 1 == server.connections


async def test_the_last_used_connection_is_used_first() -> None:
    """P9: few connections stay warm, the others grow old and are closed."""
    used: list[int] = []
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            used.append(peer.number)
            if request.endswith(b"both"):
                await both.wait()
            await peer.send(OK)

    async with hostile(script) as server, pool_of(server) as pool:
        await asyncio.gather(post(pool, b"both"), post(pool, b"both"))
        used.clear()
        for _ in range(4):
            await post(pool)
        assert 1 == len(set(used))
        assert 2 == server.connections


async def test_no_more_idle_connections_are_kept_than_allowed() -> None:
    """House: a named limit on everything."""
    all_here = asyncio.Barrier(4)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await all_here.wait()
            await peer.send(OK)

    async with hostile(script) as server, pool_of(server, idle_connections_max=1) as pool:
        await asyncio.gather(*(post(pool) for _ in range(4)))
        assert 1 == len(pool._idle)
        assert 4 == server.connections


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    """Issue 2, item 7: we close before the balancer in front of the provider does."""
    timeouts = Timeouts(first_byte_s=5, idle_s=5, write_s=5)
    async with (
        hostile(answers(OK)) as server,
        pool_of(server, timeouts=timeouts, idle_keep_s=0.05) as pool,
    ):
        await post(pool)
        await server.all_closed()
        assert not pool._connections


async def test_an_early_answer_is_delivered_and_its_connection_closed() -> None:
    """Issue 2, item 7: 413 before the body was taken."""

    async def script(peer: Peer) -> None:
        await peer._reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.until_closed()

    async with hostile(script) as server, pool_of(server) as pool:
        assert (413, b"no") == await post(pool, bytes(32 << 20))
        await server.all_closed()
        assert not pool._idle


async def test_a_server_that_closes_after_each_answer_is_served_by_fresh_connections() -> None:
    """Issue 2, item 7: no keep-alive at all still works, many calls at once, too."""
    async with hostile(answers_then_closes(OK)) as server, pool_of(server) as pool:
        for _ in range(10):
            assert (200, b"ok") == await post(pool)
            await server.all_closed()
        assert 10 == server.connections == len(server.requests)


async def test_a_dropped_answer_closes_its_connection() -> None:
    """Issue 2, item 7: not consumed and dropped: nobody else gets the rest of its bytes."""
    async with (
        hostile(answers(NEVER_WHOLE)) as server,
        pool_of(server) as pool,
    ):
        await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        await server.all_closed()
        assert 1 == len(server.requests)
