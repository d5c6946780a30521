"""Pouring: a streamed body reaches its taker in the turn that reads it, in order and bounded."""

import asyncio
import tracemalloc
from collections.abc import Awaitable

import pytest

from meterr.gateway.begun import begin
from meterr.gateway.upstream import Answer, UpstreamClosed
from support.hostile_server import CHUNKED, HEADERS, Peer, answers, hostile, pool_of, post

END = b"0\r\n\r\n"


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


class Slow:
    """A taker that wants to be awaited before each next part, as a client that takes nothing."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.busy = False

    def __call__(self, part: bytes) -> Awaitable[None]:
        assert not self.busy
        self.busy = True
        self.got.append(part)
        return self._wait()

    async def _wait(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        self.busy = False


async def test_parts_are_taken_in_order_and_the_last_one_is_returned() -> None:
    """Issue 2, item 7: what the provider sent is what the taker and the caller have together."""
    parts = [b"%d;" % number for number in range(200)]
    wire = [CHUNKED, *map(chunk, parts), END]
    for taker in (list[bytes](), Slow()):
        got = taker.got if isinstance(taker, Slow) else taker
        take = taker if isinstance(taker, Slow) else taker.append
        async with hostile(answers(*wire)) as server, pool_of(server) as pool:
            answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
            last = await answer.pour(take)
            assert b"".join(parts) == b"".join(got) + last
            assert 1 == len(pool._idle)


async def test_an_answer_that_came_whole_is_its_own_last_part() -> None:
    """Issue 2, item 7: pouring asks nobody how the body arrived."""
    taken: list[bytes] = []
    assert b"all" == await Answer(200, [], b"all", []).pour(taken.append)
    assert not taken


async def test_a_cut_body_is_taken_before_the_error_is_raised() -> None:
    """Issue 2, item 7: bytes before the cut reach the client."""
    taken: list[bytes] = []

    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, chunk(b"one"), chunk(b"two"))
        peer.writer.close()

    async with hostile(cut) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        with pytest.raises(UpstreamClosed):
            await answer.pour(taken.append)
        assert b"onetwo" == b"".join(taken)


async def test_what_a_taker_raises_is_raised_where_the_body_is_poured() -> None:
    """House: a fault of ours ends one call; it is not swallowed by the event loop."""

    def refuse(part: bytes) -> None:
        raise LookupError(part)

    wire = [CHUNKED, chunk(b"one")]
    async with hostile(answers(*wire)) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        with pytest.raises(LookupError):
            await answer.pour(refuse)
        answer.abort()
        await server.all_closed()


@pytest.mark.parametrize("busy", [False, True], ids=["while waiting", "while the taker is busy"])
async def test_cancelling_the_pouring_closes_the_connection(busy: bool) -> None:
    """Issue 2, item 7: half an answer never goes back to the pool."""
    taken = asyncio.Event()

    def take(part: bytes) -> Awaitable[None] | None:
        taken.set()
        return asyncio.get_running_loop().create_future() if busy else None

    wire = [CHUNKED, chunk(b"one")]
    async with hostile(answers(*wire)) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        pouring = asyncio.ensure_future(answer.pour(take))
        await taken.wait()
        pouring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pouring
        await server.all_closed()
        assert not pool._idle


async def test_a_second_pouring_is_refused_and_does_not_disturb_the_first() -> None:
    """House: a second reader would get an unpredictable half."""
    taken: list[bytes] = []
    go = asyncio.Event()

    async def late(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await go.wait()
        await peer.send(chunk(b"one"), END)
        await peer.until_closed()

    async with hostile(late) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        first = asyncio.ensure_future(answer.pour(taken.append))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader"):
            await answer.pour(taken.append)
        go.set()
        last = await first
        assert b"one" == b"".join(taken) + last


async def test_a_slow_taker_keeps_memory_bounded() -> None:
    """Issue 2, item 7: backpressure: 100 MB pass through a few hundred KiB."""
    total, piece = 100_000_000, bytes(100_000)
    largest = got = 0

    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // len(piece)):
            peer.writer.write(piece)
            await peer.writer.drain()
        await peer.until_closed()

    async def wait() -> None:
        for _ in range(3):
            await asyncio.sleep(0)  # slower than the loop could read

    def take(part: bytes) -> Awaitable[None]:
        nonlocal largest, got
        got, largest = got + len(part), max(largest, len(part))
        return wait()

    async with hostile(flood) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        tracemalloc.start()
        last = await answer.pour(take)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == got + len(last)
        assert largest <= 512 * 1024
        assert peak < 4_000_000


async def test_what_need_not_wait_is_done_when_it_is_begun() -> None:
    """House: no task for a write that the socket takes at once."""
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert begin(work()) is None
    assert [1] == done


async def test_what_waits_goes_on_in_the_task_that_awaits_its_rest() -> None:
    """House: nothing is done twice, and nothing is lost between callback and task."""
    steps: list[str] = []
    open_now = asyncio.Event()

    async def work() -> None:
        steps.append("begun")
        await open_now.wait()
        await asyncio.sleep(0)
        steps.append("done")

    rest = begin(work())
    assert rest is not None
    assert ["begun"] == steps
    asyncio.get_running_loop().call_soon(open_now.set)
    await rest
    assert ["begun", "done"] == steps


async def test_a_rest_that_is_cancelled_cleans_up_behind_itself() -> None:
    """House: a cancelled call leaves no waiter in anybody's queue."""
    never = asyncio.Event()

    async def work() -> None:
        await never.wait()

    rest = begin(work())
    assert rest is not None

    async def awaiting() -> None:
        await rest

    task = asyncio.create_task(awaiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not never._waiters


async def test_what_fails_at_once_fails_where_it_was_begun() -> None:
    """House: no error waits to be found."""

    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        begin(work())


async def test_the_next_call_on_the_connection_is_undisturbed() -> None:
    """Issue 2, item 7: a poured answer gives its connection back clean."""
    wire = b"".join([CHUNKED, chunk(b"one"), END])
    async with hostile(answers(wire[:-3], wire[-3:])) as server, pool_of(server) as pool:
        answer = await pool.send(b"POST", b"/v1/x", HEADERS, b"{}")
        taken: list[bytes] = []
        last = await answer.pour(taken.append)
        assert b"one" == b"".join(taken) + last
        assert (200, b"one") == await post(pool, b"{}")
