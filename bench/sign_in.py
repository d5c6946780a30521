"""
Does a wrong password take as long as an unknown account? ``python -m bench.sign_in``.

Both in turns, whole sign-ins, on an embedded PostgreSQL of its own, with the real cost of argon2id
and a throttle that never pauses. The median of the ratios of pairs counts: neighbours in time share
a slow minute.
"""

import asyncio
import hashlib
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.errors import MeterrError
from meterr.core.ids import IdFactory
from meterr.core.migrate import migrate
from meterr.core.policy import Role as MemberRole
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.tokens import Rules
from meterr.identity import create_tenant
from meterr.identity.passwords import Hasher, SignInRefused, take_up
from meterr.identity.people import Operator, invite_user
from meterr.identity.sessions import Issuer, SessionClient, SignIn, SigningKeys
from meterr.identity.throttle import Kind, Rule, Throttle

PAIRS = 40
DIFFERENCE_MAX = 0.05
_LAX = dict.fromkeys(Kind, Rule(1_000_000, 1_000, 1_000, 1_000))
_PASSWORD = SecretStr("walnut orbit ceramic lantern")
_WRONG = SecretStr("granite teapot willow comet")
_CLIENT = SessionClient("203.0.113.1", "bench")
_RULES = Rules(issuer="bench", audience="bench", life_s_max=300)


def main() -> None:
    """Measure and print; exit status 0 whatever the figures are."""
    with tempfile.TemporaryDirectory(prefix="meterr-sign-in-", dir="/tmp") as folder:
        root = Path(folder)
        root.chmod(0o711)
        with EmbeddedPostgres(root) as server, Hasher.open(randomness=os.urandom) as hasher:
            pairs = asyncio.run(_measure(server.dsn, hasher))
    ratio = median(known / unknown for known, unknown in pairs)
    known, unknown = (median(each) * 1000 for each in zip(*pairs, strict=True))
    print(f"wrong password  {known:8.2f} ms (median of {len(pairs)})")
    print(f"unknown account {unknown:8.2f} ms")
    verdict = "within" if abs(ratio - 1) < DIFFERENCE_MAX else "OVER"
    print(f"ratio in pairs  {ratio:8.4f}    {verdict} {DIFFERENCE_MAX:.0%}")


async def _measure(dsn: str, hasher: Hasher) -> list[tuple[float, float]]:
    await migrate(dsn)
    clock = SystemClock()
    async with Database.open(dsn, Role.IDENTITY) as db, Database.open(dsn, Role.APP) as app:
        throttle = Throttle(db, clock, _mac, _LAX)
        await _somebody(db, app, hasher, throttle)
        sign_in = SignIn(_issuer(db, app), hasher, throttle)
        emails = ("ada@example.com", "nobody@example.com")
        rounds = [[await _time(sign_in, e) for e in emails] for _ in range(3)]
        for turn in range(PAIRS):
            order = emails if turn % 2 else emails[::-1]
            took = {email: await _time(sign_in, email) for email in order}
            rounds.append([took[email] for email in emails])
    return [(known, unknown) for known, unknown in rounds[3:]]


async def _somebody(db: Database, app: Database, hasher: Hasher, throttle: Throttle) -> None:
    clock = SystemClock()
    ids = IdFactory(clock)
    tenant = await create_tenant(app, ids, "bench")
    claim = await invite_user(
        db,
        ids,
        clock,
        by=Operator("bench"),
        email="ada@example.com",
        tenant_id=tenant.tenant_id,
        role=MemberRole.USER,
    )
    ask = {"token": claim.token, "password": _PASSWORD, "address": "203.0.113.1"}
    await take_up(db, hasher, throttle, clock, **ask)


def _issuer(db: Database, app: Database) -> Issuer:
    clock = SystemClock()
    data_keys = DataKeys(KeyEncryptionKeys(mint("bench", os.urandom)), clock)
    keys = SigningKeys(app, data_keys, clock, _RULES)
    return Issuer(
        db=db, clock=clock, ids=IdFactory(clock), keys=keys, rules=_RULES, macs=lambda c: (_mac(c),)
    )


async def _time(sign_in: SignIn, email: str) -> float:
    began = time.perf_counter()
    try:
        await sign_in.with_password(email, _WRONG, _CLIENT)
    except SignInRefused:
        return time.perf_counter() - began
    raise MeterrError("a wrong password was accepted")


def _mac(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


if __name__ == "__main__":
    main()
