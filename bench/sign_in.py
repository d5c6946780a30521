"""Does a wrong password take as long as an unknown account? Whole sign-ins, in turns."""

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass
from statistics import median

from pydantic import SecretStr

from bench.measure import Bench, say
from bench.tools import BenchError
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.policy import Role as MemberRole
from meterr.core.tokens import Rules
from meterr.identity import create_tenant
from meterr.identity.passwords import Hasher, SignInRefused, take_up
from meterr.identity.people import Operator, invite_user
from meterr.identity.sessions import Issuer, SessionClient, SignIn, SigningKeys
from meterr.identity.throttle import Kind, Rule, Throttle

_WARMING = 3
LAX = dict.fromkeys(Kind, Rule(1_000_000, 1_000, 1_000, 1_000))
KNOWN = "ada@example.com"
PASSWORD = SecretStr("walnut orbit ceramic lantern")
_WRONG = SecretStr("granite teapot willow comet")
CLIENT = SessionClient("203.0.113.1", "bench")
_RULES = Rules(issuer="bench", audience="bench", life_s_max=300)


@dataclass(frozen=True)
class SignInTimes:
    """Milliseconds until the refusal, pair by pair; partners are neighbours in time."""

    wrong_ms: list[float]
    unknown_ms: list[float]

    @property
    def ratios(self) -> list[float]:
        """Wrong password over unknown account, in each pair."""
        return [a / b for a, b in zip(self.wrong_ms, self.unknown_ms, strict=True)]


def sign_in(bench: Bench, *, pairs: int) -> SignInTimes:
    """
    Measure on the running deployment's database, beside its processes.

    With the real cost of argon2id, a hasher of its own and a throttle that never pauses.
    """
    found = asyncio.run(times(bench.meterr.dsn, pairs=pairs))
    say(
        f"sign_in      wrong password {median(found.wrong_ms):.1f} ms, unknown account"
        f" {median(found.unknown_ms):.1f} ms; ratio of {pairs} pairs {median(found.ratios):.3f}"
    )
    return found


async def times(dsn: str, *, pairs: int) -> SignInTimes:
    """Measure on any migrated database without anybody in it."""
    clock = SystemClock()
    known, unknown = KNOWN, "nobody@example.com"
    async with Database.open(dsn, Role.IDENTITY) as db, Database.open(dsn, Role.APP) as app:
        with Hasher.open(randomness=os.urandom) as hasher:
            throttle = Throttle(db, clock, _mac, LAX)
            await somebody(db, app, hasher, throttle)
            sign_in = SignIn(_issuer(db, app), hasher, throttle)
            took_ms: dict[str, list[float]] = {known: [], unknown: []}
            for turn in range(_WARMING + pairs):
                # Who is second finds warm caches: each of them is every other time.
                for email in (known, unknown) if turn % 2 else (unknown, known):
                    took_ms[email].append(await _time_ms(sign_in, email))
    return SignInTimes(took_ms[known][_WARMING:], took_ms[unknown][_WARMING:])


async def somebody(db: Database, app: Database, hasher: Hasher, throttle: Throttle) -> None:
    """Make an account with a password, for a person without any other factor."""
    clock = SystemClock()
    ids = IdFactory(clock)
    tenant = await create_tenant(app, ids, "sign-in")
    claim = await invite_user(
        db,
        ids,
        clock,
        by=Operator("bench"),
        email=KNOWN,
        tenant_id=tenant.tenant_id,
        role=MemberRole.USER,
    )
    await take_up(
        db, hasher, throttle, clock, token=claim.token, password=PASSWORD, address="203.0.113.1"
    )


def _issuer(db: Database, app: Database) -> Issuer:
    clock = SystemClock()
    data_keys = DataKeys(KeyEncryptionKeys(mint("bench", os.urandom)), clock)
    keys = SigningKeys(app, data_keys, clock, _RULES)
    return Issuer(
        db=db,
        clock=clock,
        ids=IdFactory(clock),
        keys=keys,
        rules=_RULES,
        macs=lambda content: (_mac(content),),
        pepper_id="bench",
    )


async def _time_ms(sign_in: SignIn, email: str) -> float:
    began = time.perf_counter()
    try:
        await sign_in.with_password(email, _WRONG, CLIENT)
    except SignInRefused:
        return (time.perf_counter() - began) * 1000
    raise BenchError("a wrong password was accepted")


def _mac(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
