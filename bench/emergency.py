"""Every key of a large tenant ended at once: how long that takes, and what is left of it."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.measure import Bench, say
from bench.tools import BenchError
from meterr import identity
from meterr.app.gateway_process import PEPPER_FILE
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.principal import Scope
from meterr.core.sql import load_sql
from meterr.identity.model import NewKey
from meterr.identity.rotation import Asker, Handover, collect, issue_codes, rotate_all

KEYS = 100_000
PROCESSES = 4
_SAMPLE = 200
_FILLED_AT_ONCE = 10_000
_ASKER = Asker("bench", "measured")
_SQL = load_sql("bench")


@dataclass(frozen=True)
class Emergency:
    """
    Seconds until the revocation of all keys is committed; then until each has a code.

    ``accepted`` of a sample of warm keys in each process once that was so; ``collected`` of the
    sample's successors.
    """

    keys: int
    revoked_s: float
    refused_everywhere_s: float
    codes_s: float
    codes: int
    sample: int
    accepted: int
    collected: int


def emergency(bench: Bench) -> Emergency:
    """End the keys of a tenant of its own, with processes that have a sample of them in memory."""
    found = asyncio.run(_emergency(bench))
    say(
        f"emergency    {found.keys:,} keys revoked in {found.revoked_s:.2f} s, refused everywhere"
        f" {found.refused_everywhere_s * 1000:.0f} ms later; {found.codes:,} codes in"
        f" {found.codes_s:.1f} s; {found.accepted} accepted, {found.collected} of {found.sample}"
        " collected"
    )
    return found


async def _emergency(bench: Bench) -> Emergency:
    clock = SystemClock()
    ids = IdFactory(clock)
    keyring = identity.Keyring.open(bench.meterr.data_dir / PEPPER_FILE)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database.open(bench.meterr.dsn, Role.APP))
        tenant = (await identity.create_tenant(db, ids, "emergency")).tenant_id
        await _fill(db, tenant)
        sample = [
            await identity.create_key(
                db, keyring, ids, clock, tenant, name=f"s{n}", scopes=[Scope.CHAT.value]
            )
            for n in range(_SAMPLE)
        ]
        processes = [await _process(stack, bench, keyring) for _ in range(PROCESSES)]
        for process in processes:
            for key in sample:
                await process.authenticate(key.secret.presented)
        began = time.perf_counter()
        done = await rotate_all(db, ids, tenant_id=tenant, asker=_ASKER)
        committed = time.perf_counter()
        # What is waited for comes with a notice from PostgreSQL: there is no event.
        while any(p.warm(key.secret.presented) for p in processes for key in sample):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        refused = time.perf_counter()
        codes: list[Handover] = []
        async for page in issue_codes(
            db, keyring, ids, clock, tenant, emergency_id=done.emergency_id, asker=_ASKER
        ):
            codes += page
        handed_over = time.perf_counter()
        by_key = {code.key_id: code.code.reveal() for code in codes}
        collected = [await collect(db, keyring, clock, by_key[key.record.key_id]) for key in sample]
        return Emergency(
            done.keys, committed - began, refused - committed, handed_over - refused, len(by_key),
            _SAMPLE, await _accepted(processes, sample), len(collected),
        )  # fmt: skip


async def _fill(db: Database, tenant: str) -> None:
    # Each key leaves an event, so all in one statement would be too long for a slow disk.
    for first in range(1, KEYS - _SAMPLE + 1, _FILLED_AT_ONCE):
        last = min(first + _FILLED_AT_ONCE - 1, KEYS - _SAMPLE)
        async with db.tenant_transaction(tenant) as connection:
            await connection.execute(
                _SQL["fill_keys"], {"tenant_id": tenant, "first": first, "last": last}
            )


async def _process(
    stack: AsyncExitStack, bench: Bench, keyring: identity.Keyring
) -> identity.Authenticator:
    db = await stack.enter_async_context(Database.open(bench.meterr.dsn, Role.AUTH))
    process = identity.Authenticator(
        db, bench.meterr.dsn, keyring, SystemClock(), on_outage=identity.Outage.SERVE_WARM
    )
    running = asyncio.create_task(process.run(), name=f"listener {os.getpid()}")
    stack.callback(running.cancel)
    while process.state is not identity.Standing.LIVE:  # noqa: ASYNC110 (it is no event either)
        await asyncio.sleep(0.01)
    return process


async def _accepted(processes: Sequence[identity.Authenticator], sample: Sequence[NewKey]) -> int:
    accepted = 0
    for process in processes:
        for key in sample:
            try:
                await process.authenticate(key.secret.presented)
            except identity.KeyRefused:
                continue
            accepted += 1
    if accepted:
        raise BenchError(f"{accepted} keys were accepted after the emergency")
    return accepted
