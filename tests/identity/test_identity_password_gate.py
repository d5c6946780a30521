"""The gate before the hashers is fair: one network's crowd keeps nobody else out."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from meterr.identity.passwords import Hasher, HashersBusy
from meterr.identity.passwords.gate import Gate
from support.people import CHEAP

BOT = "2001:db8:66::/48"


class Work:
    """Work that stands still until it is let go, and notes whose it was."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.go = threading.Semaphore(0)
        self.done: list[str] = []

    def ask(self, whose: str) -> asyncio.Task[str]:
        def work() -> str:
            assert self.go.acquire(timeout=30)
            self.done.append(whose)
            return whose

        return asyncio.ensure_future(self.gate.run(whose, work))

    async def asked(self, *whose: str) -> list[asyncio.Task[str]]:
        """Ask one after the other, each when the one before stands in line."""
        tasks = []
        for each in whose:
            tasks.append(self.ask(each))
            await asyncio.sleep(0)
        return tasks


@pytest.fixture
def work() -> Iterator[Work]:
    with Hasher.open(randomness=os.urandom, cost=CHEAP, running_max=1, waiting_max=4) as hasher:
        made = Work(hasher._gate)
        yield made
        made.go.release(100)


async def test_networks_take_turns(work: Work) -> None:
    """Whoever comes alone waits for one of each, not for a whole crowd."""
    tasks = await work.asked(BOT, BOT, BOT, BOT, "home")
    work.go.release(5)
    await asyncio.gather(*tasks)
    assert [BOT, BOT, "home", BOT, BOT] == work.done


async def test_a_crowd_that_has_all_places_gives_one_up(work: Work) -> None:
    """The newest of the network with most is told to come back; it alone lost its place."""
    tasks = await work.asked(*[BOT] * 5)
    (home,) = await work.asked("home")
    with pytest.raises(HashersBusy):
        await tasks[-1]
    work.go.release(5)
    assert [BOT] * 4 == list(await asyncio.gather(*tasks[:-1]))
    assert "home" == await home


async def test_equals_do_not_push_each_other_out(work: Work) -> None:
    """When everybody has their share the next one is told to come back."""
    tasks = await work.asked("running", "a", "b", "c", "d")
    (late,) = await work.asked("e")
    with pytest.raises(HashersBusy):
        await late
    (more,) = await work.asked("a")
    with pytest.raises(HashersBusy):
        await more
    work.go.release(5)
    await asyncio.gather(*tasks)


async def test_the_crowd_itself_is_told_to_come_back(work: Work) -> None:
    """At once, and it costs nobody a place."""
    tasks = await work.asked(*[BOT] * 5)
    (more,) = await work.asked(BOT)
    with pytest.raises(HashersBusy):
        await more
    work.go.release(5)
    assert [BOT] * 5 == list(await asyncio.gather(*tasks))


async def test_who_leaves_the_line_frees_a_place_in_it(work: Work) -> None:
    """A caller who hung up is not waited for, and no work is done for them."""
    tasks = await work.asked("running", "a", "b", "c", "d")
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    (late,) = await work.asked("e")
    work.go.release(5)
    await asyncio.gather(*tasks[2:], tasks[0], late)
    assert ["running", "b", "c", "d", "e"] == work.done


async def test_a_hundred_come_and_go_and_every_place_is_free_again(work: Work) -> None:
    """Conservation: whoever was let in, refused or left, nothing is lost."""
    work.go.release(1000)
    for _ in range(3):
        tasks = [work.ask(f"net {n % 7}") for n in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(e, str | HashersBusy | asyncio.CancelledError) for e in found)
    tasks = await work.asked("running", "a", "b", "c", "d")
    assert 5 == len(await asyncio.gather(*tasks))
