"""How soon the last of several gateway processes refuses a session that was signed out."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench.callers import Caller
from bench.meterr_process import Meterr
from bench.sign_in import CLIENT, KNOWN, LAX, PASSWORD, somebody
from bench.tools import BenchError
from meterr import identity
from meterr.app.encryption import KEY_FILE
from meterr.app.gateway_process import PEPPER_FILE
from meterr.app.sessions import token_rules
from meterr.core.clock import SystemClock
from meterr.core.configuration import load
from meterr.core.crypto import DataKeys
from meterr.core.crypto.key_file import open_file
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.identity.passwords import Hasher
from meterr.identity.passwords.hasher import Cost
from meterr.identity.sessions import Grant, Issuer, Sessions, SignIn, SigningKeys
from meterr.identity.throttle import Throttle

SESSIONS = 100
_GIVE_UP_S = 10.0
# What a hash costs is measured elsewhere; here it would only be waited for.
_CHEAP = Cost(memory_kib=8, passes=1)


async def end_sessions(running: Meterr, callers: Sequence[Caller]) -> list[float]:
    """Sign in and out again, SESSIONS times; return the milliseconds until the last refusal."""
    took_ms = []
    async with _services(running) as (sign_in, sessions):
        for _ in range(SESSIONS):
            grant = await sign_in.with_password(KNOWN, PASSWORD, CLIENT)
            if not isinstance(grant, Grant):
                raise BenchError("the right password was not enough")
            token = grant.access.get_secret_value()
            for caller in callers:
                if await caller.ask_who(token) != 200:
                    raise BenchError("a new session was refused")
            await sessions.sign_out_with(grant.refresh)
            committed = time.perf_counter()
            await asyncio.gather(*(_until_refused(caller, token) for caller in callers))
            took_ms.append((time.perf_counter() - committed) * 1000)
    return took_ms


@asynccontextmanager
async def _services(running: Meterr) -> AsyncIterator[tuple[SignIn, Sessions]]:
    """Yield what the deployment's own processes have: its keys, its peppers, its database."""
    clock = SystemClock()
    keyring = identity.Keyring.open(running.data_dir / PEPPER_FILE)
    keys = DataKeys(open_file(running.data_dir / KEY_FILE), clock)
    rules = token_rules(load({"data_dir": running.data_dir}, {"HOME": "/"}, None).settings)
    async with (
        Database.open(running.dsn, Role.IDENTITY) as db,
        Database.open(running.dsn, Role.APP) as app,
    ):
        with Hasher.open(randomness=os.urandom, cost=_CHEAP) as hasher:
            throttle = Throttle(db, clock, _mac, LAX)
            await somebody(db, app, hasher, throttle)
            issuer = Issuer(
                db=db,
                clock=clock,
                ids=IdFactory(clock),
                keys=SigningKeys(app, keys, clock, rules),
                rules=rules,
                macs=keyring.macs,
                pepper_id=keyring.current.id,
            )
            yield SignIn(issuer, hasher, throttle), Sessions(issuer)


async def _until_refused(caller: Caller, token: str) -> None:
    async with asyncio.timeout(_GIVE_UP_S):
        while (status := await caller.ask_who(token)) == 200:
            pass
    if status != 401:
        raise BenchError(f"a session that was over got {status}")


def _mac(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
