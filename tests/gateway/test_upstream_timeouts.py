"""Each timeout by its name, on real sockets; and what is not a timeout."""

import asyncio
import socket

import pytest

from meterr.gateway.upstream import (
    ConnectFailed,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    Origin,
    SendStalled,
    Timeouts,
    UpstreamPool,
)
from support.hostile_server import CHUNKED, HEADERS, OK, Peer, answers, hostile, pool_of, post

SHORT_S = 0.05


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.until_closed()


def timeouts(**short: float) -> Timeouts:
    """Return long timeouts but for the one under test: only it can end the call."""
    return Timeouts(**({"connect_s": 60, "write_s": 60, "first_byte_s": 60, "idle_s": 60} | short))


async def test_no_head_is_a_first_byte_timeout() -> None:
    """Issue 2, item 7: named timeouts; the request was sent."""
    async with (
        hostile(silent) as server,
        pool_of(server, timeouts=timeouts(first_byte_s=SHORT_S)) as pool,
    ):
        with pytest.raises(FirstByteTimeout) as caught:
            await post(pool)
        assert caught.value.sent
        await server.all_closed()


async def test_a_head_that_trickles_in_is_a_first_byte_timeout() -> None:
    """Issue 2: slowloris from the other side: bytes alone do not extend the wait."""

    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while not peer.writer.is_closing():
            await peer.send(b"X: y\r\n")
            await asyncio.sleep(SHORT_S / 5)

    async with (
        hostile(trickle) as server,
        pool_of(server, timeouts=timeouts(first_byte_s=SHORT_S)) as pool,
    ):
        with pytest.raises(FirstByteTimeout):
            await post(pool)


@pytest.mark.parametrize("wire", [CHUNKED, CHUNKED + b"2\r\nok\r\n", OK[:-1]])
async def test_a_body_that_stops_is_an_idle_timeout(wire: bytes) -> None:
    """Issue 2: answers, then stalls; what came before the stall is still given."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(wire)
        await peer.until_closed()

    async with (
        hostile(script) as server,
        pool_of(server, timeouts=timeouts(idle_s=SHORT_S)) as pool,
    ):
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        with pytest.raises(IdleTimeout) as caught:
            await answer.read(100)
        assert caught.value.sent
        await server.all_closed()


async def test_a_body_that_moves_slowly_is_no_timeout() -> None:
    """Issue 2: a stream may last longer than any timeout, as long as it moves."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(20):
            await asyncio.sleep(SHORT_S / 2)
            await peer.send(b"1\r\no\r\n")
        await peer.send(b"0\r\n\r\n")

    limits = timeouts(idle_s=SHORT_S * 4, first_byte_s=SHORT_S * 4)
    async with hostile(script) as server, pool_of(server, timeouts=limits) as pool:
        assert (200, b"o" * 20) == await post(pool)


async def test_a_reader_that_pauses_is_not_the_upstreams_fault() -> None:
    """Issue 2: idle is counted only while somebody reads."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", bytes(2_000_000))
        await peer.until_closed()

    async with (
        hostile(script) as server,
        pool_of(server, timeouts=timeouts(idle_s=SHORT_S)) as pool,
    ):
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        # The timeout must have had its chance to fire while nobody reads.
        await asyncio.sleep(SHORT_S * 6)
        assert 2_000_000 == len(await answer.read(2_000_000))


async def test_a_peer_that_takes_no_bytes_is_a_stalled_send() -> None:
    """Issue 2, item 7: the write has a timeout of its own."""

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with (
        hostile(script) as server,
        pool_of(server, timeouts=timeouts(write_s=SHORT_S)) as pool,
    ):
        with pytest.raises(SendStalled) as caught:
            await post(pool, bytes(32 << 20))
        assert caught.value.sent


async def test_a_peer_that_takes_bytes_slowly_is_not_a_stalled_send() -> None:
    """Issue 2, item 7: a long upload is fine while it moves; the first byte is due after it."""

    async def script(peer: Peer) -> None:
        await peer._reader.readuntil(b"\r\n\r\n")
        left = 24 << 20
        while left:
            left -= len(await peer._reader.read(1 << 16))
            await asyncio.sleep(0.001)
        await peer.send(OK)

    limits = timeouts(write_s=SHORT_S * 6, first_byte_s=SHORT_S * 6)
    async with hostile(script) as server, pool_of(server, timeouts=limits) as pool:
        assert (200, b"ok") == await post(pool, bytes(24 << 20))


async def test_no_connection_in_time_is_a_connect_timeout() -> None:
    """Issue 2, item 7: a listener that never accepts; nothing was sent."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for filler in (first, second):  # fills the accept queue: later SYNs are dropped
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        pool = UpstreamPool(
            Origin.parse(f"http://127.0.0.1:{port}"), timeouts=timeouts(connect_s=SHORT_S)
        )
        with pytest.raises(ConnectTimeout) as caught:
            await post(pool)
        assert not caught.value.sent
        await pool.aclose()


async def test_no_free_connection_in_time_is_a_connect_timeout() -> None:
    """Issue 2, item 7: waiting in our own queue counts as connecting."""
    limits = timeouts(connect_s=1)  # whoever holds the connection has to get it within that, too
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    async with (
        hostile(script) as server,
        pool_of(server, timeouts=limits, connections_max=1) as pool,
        asyncio.TaskGroup() as tasks,
    ):
        holder = tasks.create_task(post(pool))
        await arrived.wait()
        with pytest.raises(ConnectTimeout) as caught:
            await post(pool)
        assert not caught.value.sent
        holder.cancel()


async def test_a_refused_connection_and_an_unknown_name_are_told_apart() -> None:
    """Issue 2, item 7: connect failures by name; nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for url, fault in (
            (f"http://127.0.0.1:{port}", "network"),
            ("http://no-such-host.invalid", "name"),
        ):
            pool = UpstreamPool(Origin.parse(url))
            with pytest.raises(ConnectFailed) as caught:
                await post(pool)
            assert (fault, False) == (caught.value.fault, caught.value.sent)
            await pool.aclose()


async def test_the_ticker_rests_when_there_is_nothing_to_watch() -> None:
    """P9: an unused pool costs nothing."""
    async with (
        hostile(answers(OK)) as server,
        pool_of(server, timeouts=timeouts(), idle_keep_s=SHORT_S) as pool,
    ):
        await post(pool)
        assert pool._ticker is not None
        await server.all_closed()
        pool._tick()
        assert pool._ticker is None
        assert (200, b"ok") == await post(pool)
