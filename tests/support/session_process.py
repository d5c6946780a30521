"""
A process as far as sessions go, for tests that need several.

Reads one JSON line ``{"dsn", "now_ms", "tokens"}`` and keeps asking who sent each token. Tells
stdout ``live`` once memory has answered for all of them, and for each that counts no more
``refused <its name> <standing>``. Ends when none is left.
"""

import asyncio
import json
import sys
from collections.abc import Mapping

from meterr.core.db import Database, Role
from meterr.identity.sessions import Authority, SessionRefused
from meterr.identity.sessions.errors import SessionUnverifiable
from meterr.identity.trust import Standing
from support.identity import until
from support.people import StillClock
from support.sessions import RULES


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def watch(dsn: str, now_ms: int, tokens: Mapping[str, str]) -> None:
    clock = StillClock()
    clock.now_ms = now_ms
    async with Database.open(dsn, Role.IDENTITY) as db:
        authority = Authority(db, dsn, clock, RULES)
        running = asyncio.create_task(authority.run())
        await until(lambda: authority.state is Standing.LIVE)
        for token in tokens.values():
            await authority.signed_in(token)
        say("live")
        left = dict(tokens)
        while left:
            for name, token in list(left.items()):
                try:
                    await authority.signed_in(token)
                except SessionUnverifiable:
                    continue  # a busy machine: asked again
                except SessionRefused:
                    if authority.state is not Standing.LIVE:
                        continue  # a read, for want of a heartbeat: it proves no notice
                    say(f"refused {name} {authority.state}")
                    del left[name]
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait({running})


if __name__ == "__main__":
    asyncio.run(watch(**json.loads(sys.stdin.readline())))
