"""A process that drains a journal root until it is killed, and says when it begins."""

import asyncio
import os
import sys
from pathlib import Path

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.ledger.journal import Drain


async def live(root: Path, dsn: str) -> None:
    async with Database.open(dsn, Role.DRAIN) as db:
        drain = Drain(root, db, SystemClock(), tell=lambda _notice, _fields: None)
        os.write(1, b"begin\n")
        while True:
            await drain.drain_once()
            os.write(1, b"pass\n")


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2]))
