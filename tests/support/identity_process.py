"""
A gateway process as far as keys go, for tests that need a second one.

Reads one JSON line ``{"dsn", "pepper", "key"}``, keeps the key warm and tells stdout what it sees:
``live`` once memory serves the key, ``refused <reason> <standing>`` when it no longer counts.
"""

import asyncio
import json
import sys

from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.identity import Authenticator, KeyRefused, Keyring, Outage
from meterr.identity.errors import KeyUnverifiable
from meterr.identity.trust import Standing


async def watch(dsn: str, pepper: str, key: bytes) -> None:
    async with Database.open(dsn, Role.AUTH) as db:
        authenticator = Authenticator(
            db,
            dsn,
            Keyring.from_secrets(SecretStr(pepper)),
            SystemClock(),
            on_outage=Outage.SERVE_WARM,
        )
        running = asyncio.create_task(authenticator.run())
        while authenticator.warm(key) is None:
            await authenticator.authenticate(key)
            await asyncio.sleep(0.001)
        sys.stdout.write("live\n")
        sys.stdout.flush()
        await _until_refused(authenticator, key)
        running.cancel()
        await asyncio.wait({running})


async def _until_refused(authenticator: Authenticator, key: bytes) -> None:
    while True:
        try:
            if authenticator.warm(key) is None:
                await authenticator.authenticate(key)
        except KeyUnverifiable:
            continue  # a busy machine: asked again
        except KeyRefused as refused:
            if authenticator.state is not Standing.LIVE:
                continue  # a read, for want of a heartbeat: it proves no notice
            sys.stdout.write(f"refused {refused.reason} {authenticator.state}\n")
            sys.stdout.flush()
            return
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    asyncio.run(watch(told["dsn"], told["pepper"], told["key"].encode()))
