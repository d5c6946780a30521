"""
Argon2id, behind a gate: hashing takes 64 MiB and a fifth of a second, which strangers can ask for.

So only so many run at once, in threads of their own, and only so many wait (``gate``). One Hasher
per process, opened by the composition root.
"""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Self, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from meterr.identity.passwords.gate import Gate

SALT_BYTES: Final = 16
HASH_BYTES: Final = 32

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs. The default is about 0.18 s on one core of 2024."""

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 1


class Hasher:
    """
    Hash and verify passwords, at most ``running_max`` at once with ``waiting_max`` behind them.

    ``whose`` says for whom: those of one network stand in each other's way before anybody else's.
    ``verifications`` counts those that did the work, for accounts that exist and that do not.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        cost: Cost,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._gate = gate
        self._randomness = randomness
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._nobodys = _hash_of_nobody(cost, randomness)
        self.verifications = 0

    @classmethod
    @contextmanager
    def open(
        cls,
        *,
        randomness: Callable[[int], bytes],
        running_max: int = 2,
        waiting_max: int = 32,
        cost: Cost | None = None,
    ) -> Iterator[Self]:
        """Yield a hasher with threads of its own; they end, after what they run, with the block."""
        threads = ThreadPoolExecutor(running_max, thread_name_prefix="argon2")
        try:
            gate = Gate(threads, running_max=running_max, waiting_max=waiting_max)
            yield cls(gate, cost=cost or Cost(), randomness=randomness)
        finally:
            threads.shutdown(cancel_futures=True)

    async def hash(self, password: bytes, whose: str = "") -> str:
        """Return the hash to store. Raises HashersBusy."""
        salt = self._randomness(SALT_BYTES)
        return await self._run(partial(self._hash, password, salt), whose)

    async def verify(self, stored: str | None, password: bytes, whose: str = "") -> bool:
        """
        Return whether ``password`` is the one behind ``stored``; for None it never is.

        An unknown account costs what a wrong password costs: a hash that nobody's password has
        is verified in its place. Raises HashersBusy before anything was looked at.
        """
        right = await self._run(partial(self._verify, stored or self._nobodys, password), whose)
        self.verifications += right is not None
        return right is True and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(stored)

    async def _run(self, work: Callable[[], _Result], whose: str = "") -> _Result:
        return await self._gate.run(whose, work)

    def _hash(self, password: bytes, salt: bytes) -> str:
        return self._argon2.hash(password, salt=salt)

    def _verify(self, stored: str, password: bytes) -> bool | None:
        """Return whether it matches; None when ``stored`` is no hash, so no work was done."""
        try:
            return self._argon2.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            return None


def _hash_of_nobody(cost: Cost, randomness: Callable[[int], bytes]) -> str:
    """Return a hash in today's parameters that no password has, without the work of making one."""
    salt, tag = (
        base64.b64encode(randomness(size)).decode("ascii").rstrip("=")
        for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${tag}"
