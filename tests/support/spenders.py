"""Callers that go on until their limit refuses them, whatever dies meanwhile."""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from support.load import Kind, Seen, call

_PAUSE_S: Mapping[int, float] = {0: 0.02, 402: 0.05, 429: 0.2, 503: 0.05}


@dataclass(frozen=True, slots=True)
class Spending:
    """What the calls look like: a stream of so many tokens in, and at most so many out."""

    kind: Kind
    prompt: int
    answer_min: int
    answer_max: int
    delay_ms_max: int = 60
    chunk_delay_ms_max: int = 10

    def tokens(self, chance: random.Random) -> tuple[int, int]:
        return self.prompt, chance.randint(self.answer_min, self.answer_max)

    def pace(self, chance: random.Random) -> Mapping[str, Any]:
        return {
            "delay_ms": chance.randint(0, self.delay_ms_max),
            "chunk_delay_ms": chance.randint(0, self.chunk_delay_ms_max),
            "chunks": 8,
        }


class Spenders:
    """So many callers in a thread of their own, each making one call after the other."""

    def __init__(
        self, url: str, key: str, spending: Spending, *, seed: int, callers: int = 50
    ) -> None:
        self.seen: list[Seen] = []
        self._url, self._key, self._spending = url, key, spending
        self._chance = random.Random(seed)
        self._in_a_row = [0] * callers  # 402s, by caller
        self._leaving = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving = True
        self._thread.join()

    def forget_refusals(self) -> None:
        """Begin to count each caller's refusals anew."""
        self._in_a_row = [0] * len(self._in_a_row)

    def all_refused(self, times: int) -> bool:
        """Tell whether each caller's last ``times`` answers were 402: no call is spending."""
        return min(self._in_a_row) >= times

    def statuses(self) -> Counter[int]:
        """Count the answers by status; 0 is a broken connection."""
        return Counter(each.status for each in self.seen[:])

    def errors(self) -> Counter[str]:
        """Count the refusals by status and what they called themselves."""
        refused = [each for each in self.seen[:] if each.status >= 400]
        return Counter(f"{each.status} {_code(each.body)}" for each in refused)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as callers:
            for number in range(len(self._in_a_row)):
                callers.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        while not self._leaving:
            tokens, pace = self._spending.tokens(self._chance), self._spending.pace(self._chance)
            seen = await call(self._url, self._key, self._spending.kind, tokens, pace)
            self.seen.append(seen)
            self._in_a_row[number] = self._in_a_row[number] + 1 if seen.status == 402 else 0
            await asyncio.sleep(_PAUSE_S.get(seen.status, 0))


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"].get("code"))
    except (ValueError, KeyError):
        return "unreadable"
