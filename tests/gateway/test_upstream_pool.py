"""The pool: one caller per connection, a bound on connections, and nothing lost to cancellation."""

import asyncio
import gc
import tracemalloc

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from meterr.gateway.upstream import (
    AnswerTooLarge,
    ConnectFailed,
    UpstreamClosed,
    UpstreamError,
    UpstreamPool,
)
from support.hostile_server import (
    CHUNKED,
    HEADERS,
    OK,
    HostileServer,
    Peer,
    Script,
    answers,
    hostile,
    pool_of,
    post,
)

H = b"HTTP/1.1 200 OK\r\n"


async def echo(peer: Peer) -> None:
    """Answer each request with its own body, now length-framed, now chunked, in odd pieces."""
    while True:
        _, _, body = (await peer.request()).partition(b"\r\n\r\n")
        if len(body) % 2:
            await peer.send(H + b"Content-Length: %d\r\n\r\n" % len(body), body[:3], body[3:])
        else:
            await peer.send(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


async def test_two_hundred_callers_never_share_a_connection() -> None:
    """Issue 2, item 7: each of 4,000 answers belongs to the request that was sent."""
    async with hostile(echo) as server, pool_of(server, connections_max=20) as pool:

        async def caller(number: int) -> None:
            for turn in range(20):
                body = b"%d:%d" % (number, turn)
                assert (200, body) == await post(pool, body)

        await asyncio.gather(*(caller(number) for number in range(200)))
        assert 20 >= server.open_max
        assert 4000 == len(server.requests)
        assert not pool._queue


async def test_waiters_are_served_in_the_order_they_came() -> None:
    """Issue 2, item 7: no starvation."""
    async with hostile(answers(OK)) as server, pool_of(server, connections_max=1) as pool:
        bodies = [b"%d" % number for number in range(30)]
        await asyncio.gather(*(post(pool, body) for body in bodies))
        assert bodies == [request.rpartition(b"\r\n\r\n")[2] for request in server.requests]
        assert 1 == server.connections


async def test_a_call_leaves_when_a_connection_is_there_and_not_while_it_waits_for_one() -> None:
    """P3: rates count from the moment when a call leaves; all others still wait then."""
    arrived_before: list[int] = []
    async with hostile(answers(OK)) as server, pool_of(server, connections_max=1) as pool:

        async def one() -> None:
            def leave() -> None:
                arrived_before.append(len(server.requests))

            assert 200 == (await pool.send(b"POST", b"/v1/x", HEADERS, b"{}", leave=leave)).status

        await asyncio.gather(*(one() for _ in range(5)))
    assert [0, 1, 2, 3, 4] == arrived_before


async def test_a_closed_connection_makes_room_for_the_next_waiter() -> None:
    """Issue 2, item 7: a slot is never lost with its connection."""
    wire = H + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"
    async with hostile(answers(wire)) as server, pool_of(server, connections_max=2) as pool:
        assert [(200, b"ok")] * 20 == await asyncio.gather(*(post(pool) for _ in range(20)))
        assert (20, 2) == (server.connections, server.open_max)


async def one_caller(pool: UpstreamPool, number: int, patience_ms: int) -> None:
    body = b"%d" % number
    try:
        async with asyncio.timeout(patience_ms / 1000):
            assert (200, body) == await post(pool, body)
    except TimeoutError:
        pass


async def storm(patience_ms: list[int], connections_max: int) -> int:
    """Return how many slots are free when all is over."""

    async def moody(peer: Peer) -> None:
        while True:
            _, _, body = (await peer.request()).partition(b"\r\n\r\n")
            await asyncio.sleep(int(body) % 3 / 1000)
            close = b"Connection: close\r\n" if int(body) % 5 == 0 else b""
            await peer.send(H + close + b"Content-Length: %d\r\n\r\n" % len(body), body)

    async with hostile(moody) as server, pool_of(server, connections_max=connections_max) as pool:
        calls = (one_caller(pool, number, ms) for number, ms in enumerate(patience_ms))
        await asyncio.gather(*calls)
        # Whatever was cancelled where: every slot and every connection is still there to be used.
        calls = (one_caller(pool, number, 60_000) for number in range(connections_max * 2))
        await asyncio.gather(*calls)
        assert not pool._queue
        assert connections_max == pool._slots_free + len(pool._connections)
    return pool._slots_free


@settings(max_examples=25)
@given(
    st.lists(st.integers(min_value=0, max_value=8), min_size=1, max_size=25),
    st.integers(min_value=1, max_value=4),
)
def test_no_cancellation_loses_a_slot_or_mixes_answers(
    patience_ms: list[int], connections_max: int
) -> None:
    """Issue 2, item 7: cancelled while queueing, connecting, sending or reading: nothing leaks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert connections_max == runner.run(storm(patience_ms, connections_max))


async def cancelled(server: HostileServer, task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.all_closed()


async def test_cancelling_a_send_closes_the_connection() -> None:
    """Issue 2, item 7: the answer still on its way must not meet the next caller."""
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    async with hostile(script) as server, pool_of(server) as pool:
        task: asyncio.Task[object] = asyncio.ensure_future(post(pool))
        await arrived.wait()
        await cancelled(server, task)
        assert not pool._idle


async def test_cancelling_a_reader_closes_the_connection() -> None:
    """Issue 2, item 7: half an answer never goes back to the pool."""
    async with hostile(answers(CHUNKED + b"2\r\nok\r\n")) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        assert b"ok" == await anext(answer)
        reading: asyncio.Task[object] = asyncio.ensure_future(answer.read(100))
        await asyncio.sleep(0)
        await cancelled(server, reading)
        with pytest.raises(UpstreamClosed):
            await anext(answer)


def first_whole_then(wire: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await answers(wire)(peer)

    return script


@pytest.mark.parametrize("wire", [OK, CHUNKED + b"2\r\nok\r\n"], ids=["whole", "streamed"])
async def test_a_call_cancelled_the_moment_its_answer_came_leaves_nothing_behind(
    wire: bytes,
) -> None:
    """Issue 2, item 7: the narrow race between an answer and a cancellation."""
    async with hostile(first_whole_then(wire)) as server, pool_of(server) as pool:
        await post(pool)
        (connection,) = pool._connections
        task = asyncio.ensure_future(pool.send(b"POST", b"/v1/x", HEADERS, b"{}"))
        await asyncio.sleep(0)
        waiter, loop = connection._waiter, asyncio.get_running_loop()
        assert waiter is not None

        def cancel_between_answer_and_caller() -> None:
            if waiter.done():
                task.cancel()
            else:
                loop.call_soon(cancel_between_answer_and_caller)

        cancel_between_answer_and_caller()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert waiter.result().status == 200
        assert connection._phase in (0, 3)  # idle or closed: never in the middle of an answer


async def test_giving_up_is_idempotent_and_names_itself() -> None:
    """Issue 2, item 7: abort() closes at once and may be repeated."""
    async with hostile(answers(CHUNKED + b"2\r\nok\r\n")) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        answer.abort()
        answer.abort()
        await server.all_closed()
        with pytest.raises(UpstreamClosed, match="given up"):
            await answer.read(100)


async def test_an_answer_longer_than_the_reader_allows_is_cut_off() -> None:
    """Issue 2, item 7: a whole body in memory is bounded by its reader."""
    wire = H + b"Content-Length: 3\r\n\r\nabc"
    for pieces in ([wire], [wire[:-3], b"ab", b"c"]):
        async with hostile(answers(*pieces)) as server, pool_of(server) as pool:
            answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
            assert b"abc" == await answer.read(3)
            answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
            with pytest.raises(AnswerTooLarge) as caught:
                await answer.read(2)
            assert 2 == caught.value.limit


async def test_a_slow_reader_keeps_memory_bounded() -> None:
    """Issue 2, item 7: backpressure: 200 MB pass through a few hundred KiB."""
    total, piece = 200_000_000, bytes(100_000)

    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(H + b"Content-Length: %d\r\n\r\n" % total)
        for _ in range(total // len(piece)):
            peer.writer.write(piece)
            await peer.writer.drain()
        await peer.until_closed()

    async with hostile(flood) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        tracemalloc.start()
        got, largest = 0, 0
        async for part in answer:
            got, largest = got + len(part), max(largest, len(part))
            for _ in range(3):
                await asyncio.sleep(0)  # slower than the loop could read
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == got
        assert largest <= 512 * 1024
        assert peak < 4_000_000
        assert (1, 1) == (len(pool._idle), len(pool._connections))


async def test_an_answer_lost_in_a_cycle_still_closes_its_connection() -> None:
    """Issue 2, item 7: dropped is dropped, however the collector finds it."""
    async with hostile(answers(CHUNKED + b"2\r\nok\r\n")) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        cycle: list[object] = [answer]
        cycle.append(cycle)
        del answer, cycle
        await asyncio.to_thread(gc.collect)
        await server.all_closed()
        assert not pool._connections


async def test_closing_the_pool_ends_everything() -> None:
    """Issue 2, item 7: aclose() fails what is under way and refuses what comes later."""
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    async with hostile(script) as server, pool_of(server, connections_max=1) as pool:
        active, queued = asyncio.ensure_future(post(pool)), asyncio.ensure_future(post(pool))
        await arrived.wait()
        await pool.aclose()
        await pool.aclose()
        with pytest.raises(UpstreamClosed) as caught:
            await active
        assert caught.value.sent
        for call in (queued, post(pool)):
            with pytest.raises(ConnectFailed) as refused:
                await call
            assert ("closed", False) == (refused.value.fault, refused.value.sent)
        await server.all_closed()
        assert not pool._connections


async def test_a_server_that_accepts_and_closes_is_not_tried_for_ever() -> None:
    """Issue 2, item 7: at most one connection per call; the error says what is known."""

    async def slam(peer: Peer) -> None:
        peer.reset()

    async with hostile(slam) as server, pool_of(server, connections_max=2) as pool:
        for attempt in range(1, 5):
            with pytest.raises(UpstreamError):
                await post(pool)
            await server.all_closed()
            assert attempt >= server.connections
        assert 2 == pool._slots_free + len(pool._connections)


async def test_only_one_reader_at_a_time() -> None:
    """House: a second reader would get an unpredictable half."""
    async with hostile(answers(CHUNKED)) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        first: asyncio.Task[object] = asyncio.ensure_future(answer.read(9))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader"):
            await anext(answer)
        await cancelled(server, first)


def test_a_pool_without_room_is_refused() -> None:
    """House: refused early."""

    async def make(**options: float) -> None:
        async with hostile(echo) as server, pool_of(server, **options):
            pass

    for options in ({"connections_max": 0}, {"idle_connections_max": -1}, {"idle_keep_s": 0}):
        with pytest.raises(ValueError, match="room"):
            asyncio.run(make(**options))
