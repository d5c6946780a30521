"""Whose turn it is to take the next connection, when several processes share one queue."""

import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Final, NamedTuple, Self

_SLOT_BYTES: Final = 4
NOT_SERVING: Final = 0xFFFF_FFFF
"""What stands in a process's slot while it takes nothing: unborn, dead or stopping."""


def is_first(held: Sequence[int], own: int) -> bool:
    """Tell whether no serving process holds fewer connections than ``own``."""
    return held[own] <= min(held)


class Turns:
    """
    How many connections each process holds, in memory that all of them see.

    A slot is written by its own process while that lives and by the parent while it does not. What
    is read may be old by the time it is used: that costs balance, never a connection.
    """

    def __init__(self, descriptor: int, workers: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, workers * _SLOT_BYTES)
        self._held = memoryview(self._memory).cast("I")

    @classmethod
    def make(cls, workers: int) -> Self:
        """Return the parent's view of a new board on which nobody serves yet."""
        with tempfile.TemporaryFile() as file:
            os.ftruncate(file.fileno(), workers * _SLOT_BYTES)
            made = cls(os.dup(file.fileno()), workers)
        for slot in range(workers):
            made.hold(slot, NOT_SERVING)
        return made

    def hold(self, slot: int, connections: int) -> None:
        """Say how many connections the process of ``slot`` holds."""
        self._held[slot] = connections

    def held(self) -> list[int]:
        """Return the connections of every process, by slot."""
        return self._held.tolist()

    def close(self) -> None:
        """Let go of the memory; what other processes see stays theirs."""
        self._held.release()
        self._memory.close()
        os.close(self.descriptor)


class Seat(NamedTuple):
    """One process's place among those that share a queue."""

    turns: Turns
    slot: int

    def hold(self, connections: int) -> None:
        """Say how many connections this process holds."""
        self.turns.hold(self.slot, connections)

    def is_first(self) -> bool:
        """Tell whether it is this process's turn; several may have it at once."""
        return is_first(self.turns.held(), self.slot)
