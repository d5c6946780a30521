"""Argon2id behind its gate: what is stored, what is compared, and how many at once."""

import asyncio
import os
import threading

import pytest

from meterr.identity.passwords import Cost, Hasher, HashersBusy
from support.people import CHEAP

LONG = b"x" * 72


@pytest.fixture
def hasher():
    with Hasher.open(randomness=os.urandom, cost=CHEAP) as opened:
        yield opened


async def test_the_parameters_are_those_of_the_checklist() -> None:
    """S1:344-347: argon2id, 64 MiB, t=3, p=1, for real accounts and for unknown ones."""
    with Hasher.open(randomness=os.urandom) as hasher:
        stored = await hasher.hash(b"walnut orbit ceramic lantern")
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
        assert hasher._nobodys.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
        assert len(stored) == len(hasher._nobodys)
        assert await hasher.verify(stored, b"walnut orbit ceramic lantern")


async def test_every_byte_of_a_password_counts(hasher: Hasher) -> None:
    """S2:76, row 36: bcrypt takes the first 72 bytes for the whole."""
    stored = await hasher.hash(LONG + b"a")
    assert await hasher.verify(stored, LONG + b"a")
    for other in (LONG, LONG + b"b", LONG + b"a\0", b"", LONG + b"aa"):
        assert not await hasher.verify(stored, other)


async def test_equal_passwords_have_different_hashes(hasher: Hasher) -> None:
    """A salt of 16 bytes each."""
    assert await hasher.hash(LONG) != await hasher.hash(LONG)


async def test_nobodys_password_is_never_right(hasher: Hasher) -> None:
    """An unknown account costs a verification and has no password at all."""
    assert not await hasher.verify(None, b"")
    assert not await hasher.verify(None, LONG)
    assert 2 == hasher.verifications


@pytest.mark.parametrize(
    "stored", ["", "x", "$argon2id$", "$2b$12$abc", "$argon2id$v=19$m=8,t=1,p=1$a$b"]
)
async def test_a_damaged_hash_matches_nothing_and_breaks_nothing(
    hasher: Hasher, stored: str
) -> None:
    """Fail closed; and it does not count as a verification, for nothing was computed."""
    assert not await hasher.verify(stored or "-", LONG)
    assert 0 == hasher.verifications


async def test_other_parameters_are_noticed(hasher: Hasher) -> None:
    """Rehash on login when the parameters change."""
    with Hasher.open(randomness=os.urandom, cost=Cost(memory_kib=16, passes=1)) as stronger:
        stored = await hasher.hash(LONG)
        assert not hasher.is_outdated(stored)
        assert stronger.is_outdated(stored)
        assert await stronger.verify(stored, LONG)


async def _hold(hasher: Hasher, gate: threading.Event, count: int) -> list[asyncio.Task[bool]]:
    """Return verifications that stand at the gate until it opens."""

    def wait() -> bool:
        return gate.wait(30)

    tasks = [asyncio.ensure_future(hasher._run(wait)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_so_many_hash_so_many_wait_and_the_next_is_told_to_come_back() -> None:
    """S1:344: 64 MiB each are a lever for denial of service: 503 with Retry-After, at once."""
    gate = threading.Event()
    with Hasher.open(randomness=os.urandom, cost=CHEAP, running_max=2, waiting_max=3) as hasher:
        tasks = await _hold(hasher, gate, 5)
        for refused in (hasher.hash(LONG), hasher.verify(None, LONG)):
            with pytest.raises(HashersBusy) as caught:
                await refused
            assert (503, 2) == (caught.value.status, caught.value.retry_after_s)
        assert 0 == hasher.verifications
        gate.set()
        assert [True] * 5 == await asyncio.gather(*tasks)
        assert await hasher.hash(LONG)


async def test_callers_who_leave_do_not_make_room_for_more_memory() -> None:
    """A place is free when its thread is done, not when its caller has gone."""
    gate = threading.Event()
    with Hasher.open(randomness=os.urandom, cost=CHEAP, running_max=1, waiting_max=0) as hasher:
        (task,) = await _hold(hasher, gate, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(HashersBusy):
            await hasher.hash(LONG)
        gate.set()
        hashed = None
        while hashed is None:
            try:
                hashed = await hasher.hash(LONG)
            except HashersBusy:
                await asyncio.sleep(0.01)
        assert await hasher.verify(hashed, LONG)


async def test_the_loop_goes_on_while_passwords_are_hashed(hasher: Hasher) -> None:
    """In threads: nobody's call waits for somebody's password."""
    gate = threading.Event()
    tasks = await _hold(hasher, gate, 2)
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    assert not any(task.done() for task in tasks)
    gate.set()
    await asyncio.gather(*tasks)


def test_a_hasher_shows_no_secret(hasher: Hasher) -> None:
    """P6."""
    assert "$argon2" not in repr(hasher)
