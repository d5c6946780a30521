"""Taking turns at one queue: the rule, and what happens when somebody does not play along."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterr.app.acceptor import Acceptor
from meterr.app.turns import NOT_SERVING, Seat, Turns, is_first

boards = st.lists(st.just(NOT_SERVING) | st.integers(0, 5000), min_size=1, max_size=64)


@given(boards)
def test_somebody_is_always_first_and_holds_no_more_than_anybody(held: list[int]) -> None:
    """No board stops all of them, and who is dead or stopping stops nobody."""
    first = [own for own in range(len(held)) if is_first(held, own)]
    assert first
    assert {min(held)} == {held[own] for own in first}


@pytest.fixture
def turns() -> Iterator[Turns]:
    with closing(Turns.make(2)) as made:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


class Process:
    """One acceptor as a gateway process has it; ``empty`` is set when its last caller has left."""

    def __init__(self, listener: socket.socket, seat: Seat) -> None:
        self.connections: set[asyncio.Protocol] = set()
        self.empty = asyncio.Event()
        self.acceptor = Acceptor(listener, seat, lambda: Kept(self), self.connections)


class Kept(asyncio.Protocol):
    """A connection that says hello and stays among those of its process while it lives."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process.connections.add(self)
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self._process.connections.discard(self)
        if not self._process.connections:
            self._process.empty.set()


async def greeted(listener: socket.socket) -> asyncio.StreamWriter:
    """Connect and wait until somebody has taken the connection."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    assert b"hello" == await reader.read(5)
    return writer


async def hang_up(callers: list[asyncio.StreamWriter], *processes: Process) -> None:
    for writer in callers:
        writer.close()
        await writer.wait_closed()
    for process in processes:
        await process.empty.wait()


def test_who_holds_most_waits_and_the_other_takes(listener: socket.socket, turns: Turns) -> None:
    """Issue 3, item 4: keep-alive must not fix an accident of the first second for good."""

    async def shared() -> tuple[int, int]:
        one = Process(listener, Seat(turns, 0))
        with listener.dup() as same_queue:
            other = Process(same_queue, Seat(turns, 1))
            one.acceptor.start()
            callers = [await greeted(listener) for _ in range(6)]
            other.acceptor.start()
            callers += [await greeted(listener) for _ in range(6)]
            found = len(one.connections), len(other.connections)
            await one.acceptor.close()
            await other.acceptor.close()
            await hang_up(callers, one, other)
        return found

    one, other = asyncio.run(shared())
    assert 12 == one + other
    assert 6 <= one
    assert 1 <= other
    assert [NOT_SERVING, NOT_SERVING] == turns.held()


def test_one_that_is_stuck_costs_no_connection(listener: socket.socket, turns: Turns) -> None:
    """DESIGN 7: the other holds none, is due for ever and takes nothing; everybody is served."""
    turns.hold(1, 0)

    async def alone() -> int:
        process = Process(listener, Seat(turns, 0))
        process.acceptor.start()
        callers = list(await asyncio.gather(*(greeted(listener) for _ in range(40))))
        found = len(process.connections)
        await process.acceptor.close()
        await hang_up(callers, process)
        return found

    assert 40 == asyncio.run(alone())


def test_who_leaves_takes_nothing_with_it(listener: socket.socket, turns: Turns) -> None:
    """P2: a connection that was not taken waits for the next process."""

    async def successor() -> int:
        leaving = Process(listener, Seat(turns, 0))
        leaving.acceptor.start()
        await leaving.acceptor.close()
        waiting = asyncio.ensure_future(greeted(listener))
        await asyncio.sleep(0)
        next_one = Process(listener, Seat(turns, 0))
        next_one.acceptor.start()
        caller = await waiting
        await next_one.acceptor.close()
        await hang_up([caller], next_one)
        return len(leaving.connections)

    assert 0 == asyncio.run(successor())
