"""What it takes to say whose a key is: from memory, refused at the door, and refused alike."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from bench.measure import Bench, say
from bench.tools import BenchError
from meterr import identity
from meterr.app.gateway_process import PEPPER_FILE
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.principal import Scope
from meterr.identity.api_key import Environment, flaw_of, mint
from meterr.identity.client import Client
from meterr.identity.uses import Diary

MALFORMED = 1_000_000
_ROUNDS, _TIMES, _ASKED = 21, 5_000, 200
_HERE, _ELSEWHERE = Client("192.0.2.7", b"bench"), Client("198.51.100.7", b"bench")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_ \x00é"


@dataclass(frozen=True)
class Keys:
    """``refused_ms`` is the median time of a refusal, by its reason."""

    warm_us: float
    warm_per_s: float
    warm_networks_us: float
    malformed: int
    malformed_passed: int
    refused_ms: dict[str, float]


def keys(bench: Bench) -> Keys:
    """Measure one authenticator of its own on the running deployment's database."""
    found = asyncio.run(_keys(bench))
    told = ", ".join(f"{name} {ms:.2f}" for name, ms in found.refused_ms.items())
    say(
        f"keys         warm p50 {found.warm_us:.2f} us ({found.warm_per_s:,.0f}/s), with networks"
        f" {found.warm_networks_us:.2f} us; {found.malformed_passed} of {found.malformed:,}"
        f" malformed or mutated passed; refused after ms: {told}"
    )
    return found


async def _keys(bench: Bench) -> Keys:
    clock = SystemClock()
    keyring = identity.Keyring.open(bench.meterr.data_dir / PEPPER_FILE)
    async with (
        Database.open(bench.meterr.dsn, Role.AUTH) as auth,
        Database.open(bench.meterr.dsn, Role.APP) as db,
    ):
        (tenant,) = await identity.list_tenants(db)
        made = {
            name: await identity.create_key(
                db, keyring, IdFactory(clock), clock, tenant.tenant_id, name=name,
                scopes=[Scope.CHAT.value], networks=networks,
            )
            for name, networks in (("plain", None), ("placed", ["192.0.2.0/24"]), ("gone", None))
        }  # fmt: skip
        await identity.revoke_key(db, tenant.tenant_id, made["gone"].record.key_id)
        process = identity.Authenticator(
            auth, bench.meterr.dsn, keyring, clock, on_outage=identity.Outage.SERVE_WARM,
            diary=Diary(),
        )  # fmt: skip
        texts = {name: key.secret.presented for name, key in made.items()}
        listening = asyncio.create_task(process.run())
        while not all(process.warm(texts[name], _HERE) for name in ("plain", "placed")):
            for name in ("plain", "placed"):
                await process.authenticate(texts[name], _HERE)
            await asyncio.sleep(0.01)
        plain = await _warm_us(process, texts["plain"])
        placed = await _warm_us(process, texts["placed"])
        passed = sum(flaw_of(text) is None for text in _malformed(texts["plain"]))
        asked = {"unknown": None, "revoked": texts["gone"], "address": texts["placed"]}
        refused = await _refused_ms(process, asked)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return Keys(plain, 1e6 / plain, placed, MALFORMED, passed, refused)


async def _warm_us(process: identity.Authenticator, text: bytes) -> float:
    found = []
    for _ in range(_ROUNDS):
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        for _ in range(_TIMES):
            process.warm(text, _HERE)
        found.append((time.perf_counter() - started) / _TIMES * 1e6)
        if process.warm(text, _HERE) is None:
            raise BenchError("the key went cold while it was being measured")
    return median(found)


async def _refused_ms(
    process: identity.Authenticator, asked: Mapping[str, bytes | None]
) -> dict[str, float]:
    """Return how long each kind of refusal takes, in turns: None stands for a new unknown key."""
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(_ASKED):
        for name, text in asked.items():
            presented = text or mint(Environment.LIVE, os.urandom).presented
            started = time.perf_counter()
            try:
                await process.authenticate(presented, _ELSEWHERE)
            except identity.KeyRefused:
                took[name].append((time.perf_counter() - started) * 1000)
            else:
                raise BenchError("a key that does not count was let in")
    return {name: median(each) for name, each in took.items()}


def _malformed(key: bytes) -> Iterator[bytes]:
    """Yield keys with one wrong letter, one letter too few or many, and other texts."""
    seeded = random.Random(1)
    text = key.decode()
    for _ in range(MALFORMED // 2):
        at = seeded.randrange(len(text))
        letter = seeded.choice(_LETTERS.replace(text[at], ""))
        yield f"{text[:at]}{letter}{text[at + 1 :]}".encode()
    for _ in range(MALFORMED // 4):
        at = seeded.randrange(len(text))
        yield (text[:at] + text[at + seeded.randrange(-1, 2) or at + 1 :]).encode() + b"0"
    for _ in range(MALFORMED - MALFORMED // 2 - MALFORMED // 4):
        yield seeded.randbytes(seeded.randrange(64))
