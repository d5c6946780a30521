"""kill -9 of the writer, of the drain, and of both: every promise that was given is kept, once."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from drain_house import House

from meterr.ledger.journal import folder

HERE = Path(__file__).parent
ROUNDS = 8
pytestmark = pytest.mark.attack


@dataclass
class Promises:
    """What a killed writer had said on its pipe: the witness."""

    opened: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        if not line.endswith("\n"):
            return  # cut off in the middle of a word: not said
        word, name = line.split()
        if word != "path":
            (self.opened if word == "o" else self.settled).add(name)

    def are_kept_by(self, states: dict[str, str]) -> bool:
        assert self.opened <= states.keys(), "an opened call has no entry"
        wrong = {name for name in self.settled if states[name] != "settled"}
        assert not wrong, "a settled call is not settled"
        return True


@pytest.fixture
def house(tmp_path: Path, database_url: str, admin_dsn: str) -> House:
    return House(tmp_path, database_url, admin_dsn)


@contextmanager
def started(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / script), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def write_and_kill(root: Path, seed: int, promises: Promises) -> None:
    """Let a writer live until it has given a seeded number of promises, then kill -9 it."""
    lines_before_death = random.Random(seed).randint(1, 4000)
    with started("journal_victim.py", str(root), str(seed)) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            promises.take(line)
            if count == lines_before_death:
                process.kill()  # what it said until now is still in the pipe


def drain_and_kill(house: House, seed: int) -> None:
    """Let a drain live for a seeded moment after it began, then kill -9 it."""
    with started("drain_victim.py", str(house.root), house.dsn) as process:
        assert process.stdout is not None
        assert "begin\n" == process.stdout.readline()
        # The moment is the test's random input, not something waited for.
        time.sleep(random.Random(seed).uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)


async def test_a_killed_writer_loses_nothing_it_promised(house: House) -> None:
    """P2: each opened call has exactly one entry, each settled one is settled."""
    promises = Promises()
    for seed in range(ROUNDS):
        write_and_kill(house.root, seed, promises)
        if seed % 3 == 0:
            await house.drained()
    drain = await house.drained()
    states = house.states()
    assert promises.are_kept_by(states)
    assert {"settled", "interrupted"} == set(states.values())
    assert [] == folder.process_folders(house.root)
    assert (0, 0) == (drain.report.open_calls, drain.report.bytes_behind)


async def test_a_killed_drain_loses_nothing_and_doubles_nothing(house: House) -> None:
    """P2: killed at any moment between reading, committing and deleting, it is taken up again."""
    promises = Promises()
    for seed in range(ROUNDS):
        write_and_kill(house.root, 100 + seed, promises)
        drain_and_kill(house, seed)
    await house.drained()
    assert promises.are_kept_by(house.states())
    assert [] == folder.process_folders(house.root)


async def test_a_drain_killed_beside_a_living_writer_is_taken_up_by_the_next(house: House) -> None:
    """P2: segments come and go under both, and calls stay open across them."""
    promises = Promises()
    with started("journal_victim.py", str(house.root), "777") as writer:
        assert writer.stdout is not None
        for seed in range(ROUNDS):
            for _ in range(500):
                promises.take(writer.stdout.readline())
            drain_and_kill(house, 200 + seed)
        writer.kill()
        for line in writer.stdout:
            promises.take(line)
    await house.drained()
    assert promises.are_kept_by(house.states())
    assert [] == folder.process_folders(house.root)


async def test_a_living_writer_is_followed_without_a_false_alarm(house: House) -> None:
    """P2: bytes on their way are never taken for damage, and no segment is given back too early."""
    promises = Promises()
    with started("journal_victim.py", str(house.root), "31") as writer:
        assert writer.stdout is not None
        async with house.drain() as drain:
            for _ in range(60):
                for _ in range(300):
                    promises.take(writer.stdout.readline())
                await drain.drain_once()
            writer.send_signal(signal.SIGSTOP)  # what counts is what the drain leaves
            await drain.drain_once()
            assert [] == house.heard
            assert (0, 0) == (drain.report.interrupted, drain.report.duplicates)
            segments = [
                p for path in folder.process_folders(house.root) for p in folder.segments(path)
            ]
            assert len(segments) < 20
        writer.kill()
        for line in writer.stdout:
            promises.take(line)
    await house.drained()
    assert promises.are_kept_by(house.states())
