"""How soon the last of several gateway processes refuses a key or session that ended."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.callers import Caller, one_to_each
from bench.contenders import CHAT
from bench.measure import Bench, say
from bench.meterr_process import Meterr, open_folder
from bench.session_ends import end_sessions
from bench.tools import BenchError, Load, Traffic, run_load
from meterr import identity
from meterr.app.gateway_process import PEPPER_FILE
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.principal import Scope

WORKERS = 4
KEYS = 300
LOAD_PER_S = 1000
_LOAD_S = 2.0
_GIVE_UP_S = 10.0


@dataclass(frozen=True)
class Revocation:
    """
    Milliseconds from the return of COMMIT to the last process's refusal, over all keys; then over
    all sessions that were signed out.

    Each process is asked again as soon as it has answered, so an answer's own time is in it.
    """

    workers: int
    keys: int
    load_per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    sessions: int
    sessions_p99_ms: float


def revocation(bench: Bench) -> Revocation:
    """Revoke KEYS warm keys, one after the other, on a deployment of its own under load."""
    with open_folder() as folder:
        running = Meterr(bench.mock, bench.cores, folder, workers=WORKERS)
        try:
            running.start()
            found = _under_load(bench, running, bench.body(stream=False))
        finally:
            running.stop()
    say(
        f"revocation   p50 {found.p50_ms:.1f}, p99 {found.p99_ms:.1f}, worst "
        f"{found.worst_ms:.1f} ms at {found.load_per_s:,.0f} calls/s; sessions signed out p99 "
        f"{found.sessions_p99_ms:.1f} ms"
    )
    return found


def _under_load(bench: Bench, running: Meterr, body: Path) -> Revocation:
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_load_until, done, bench, running, body)
        try:
            took_ms, ended_ms = map(sorted, asyncio.run(_end_all(running)))
        finally:
            done.set()
        loads = loading.result()
    return Revocation(
        workers=WORKERS,
        keys=len(took_ms),
        load_per_s=sum(load.complete for load in loads) / sum(load.seconds for load in loads),
        p50_ms=took_ms[len(took_ms) // 2],
        p99_ms=took_ms[len(took_ms) * 99 // 100],
        worst_ms=took_ms[-1],
        sessions=len(ended_ms),
        sessions_p99_ms=ended_ms[len(ended_ms) * 99 // 100],
    )


def _load_until(done: threading.Event, bench: Bench, running: Meterr, body: Path) -> list[Load]:
    traffic = Traffic(body, 32, _LOAD_S, 0, rate=LOAD_PER_S)
    headers = [f"authorization: Bearer {running.key}"]
    prefix = bench.cores.pinned(bench.cores.load)
    loads = []
    while not done.is_set():
        loads.append(run_load(prefix, running.port, CHAT, headers, traffic))
        if loads[-1].failed:
            raise BenchError(f"under load: {loads[-1].errors}")
    return loads


async def _end_all(running: Meterr) -> tuple[list[float], list[float]]:
    keyring = identity.Keyring.open(running.data_dir / PEPPER_FILE)
    clock = SystemClock()
    ids = IdFactory(clock)
    scopes = [scope.value for scope in Scope]
    async with Database.open(running.dsn, Role.APP) as db:
        (tenant,) = await identity.list_tenants(db)
        callers = await one_to_each(running.port, running.gateway_pids(), running.key)
        took_ms = []
        for number in range(KEYS):
            made = await identity.create_key(
                db, keyring, ids, clock, tenant.tenant_id, name=f"key {number}", scopes=scopes
            )
            key = made.secret.presented.decode()
            for caller in callers:
                if await caller.ask(key) != 200:
                    raise BenchError("a new key was refused")
            await identity.revoke_key(db, tenant.tenant_id, made.record.key_id)
            committed = time.perf_counter()
            await asyncio.gather(*(_until_refused(caller, key) for caller in callers))
            took_ms.append((time.perf_counter() - committed) * 1000)
        ended_ms = await end_sessions(running, callers)
        for caller in callers:
            await caller.close()
    return took_ms, ended_ms


async def _until_refused(caller: Caller, key: str) -> None:
    async with asyncio.timeout(_GIVE_UP_S):
        while await caller.ask(key) == 200:
            pass
