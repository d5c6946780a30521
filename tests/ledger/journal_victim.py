"""A process that journals calls as fast as it can and says what it was promised."""

import asyncio
import os
import random
import sys
from pathlib import Path

from journal_samples import PRICE, a_settled, an_opened, new_ids

from meterr.core.clock import SystemClock
from meterr.ledger.journal import Durability, Journal, Limits
from meterr.ledger.model import Progress, Usage


def say(word: str, call_id: str) -> None:
    os.write(1, f"{word} {call_id}\n".encode())


async def live(root: Path, seed: int) -> None:
    """Open and settle until killed; ``o``: a call is open, ``s``: its settled is in the kernel."""
    chance = random.Random(seed)
    ids = new_ids()
    journal = Journal.open(
        root,
        clock=SystemClock(),
        ids=ids,
        limits=Limits(segment_bytes=65_536, segment_age_s=0.05),
        durability=Durability.POWER if seed % 5 == 0 else Durability.PROCESS,
    )
    say("path", str(journal.path))
    open_calls: list[str] = []
    while True:
        for _ in range(chance.randint(1, 8)):
            call_id = ids.new()
            journal.opened(an_opened(call_id), PRICE)
            await journal.durable()
            say("o", call_id)
            open_calls.append(call_id)
        chance.shuffle(open_calls)
        settled = [open_calls.pop() for _ in range(chance.randint(0, len(open_calls)))]
        for call_id in settled:
            journal.settled(a_settled(call_id), PRICE)
        for call_id in open_calls[:2]:
            journal.progress(Progress(id=call_id, usage=Usage(input=7), answer_chars=41))
        await asyncio.sleep(0)
        for call_id in settled:
            say("s", call_id)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
