"""The driver of the tests about people: one installation, cheap hashes, a clock that tests move."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.policy import PLATFORM, Actor
from meterr.core.policy import Role as MemberRole
from meterr.identity import create_tenant
from meterr.identity.factors import PasskeyProof, Passkeys, Vault, begin_totp, confirm_totp
from meterr.identity.factors.relying_party import relying_party
from meterr.identity.factors.totp import STEP_S
from meterr.identity.factors.webauthn_ceremonies import WebAuthn
from meterr.identity.passwords import Cost, Hasher, TakenUp, take_up
from meterr.identity.passwords.claims import Prove
from meterr.identity.people import NewClaim, Operator, Person, find_person, invite_user
from meterr.identity.throttle import Kind, Rule, Throttle
from support.authenticator import Authenticator

ORIGIN = "https://meterr.example.com"
OPERATOR = Operator(name="tests")
PASSWORD = SecretStr("walnut orbit ceramic lantern")
WRONG = SecretStr("granite teapot willow comet")
SECRET = b"12345678901234567890"  # of RFC 6238, appendix B
REASON = "on call, incident 4711"
CHEAP = Cost(memory_kib=8, passes=1)
HERE = "203.0.113.9"
LAX = dict.fromkeys(Kind, Rule(10_000, 1_000, 1_000, 1_000))


class StillClock(SystemClock):
    """A calendar that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = 4_000_000_000_000  # in 2096: later than any server's now()

    def unix_ms(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


class PeopleHouse:
    """A migrated database with a tenant, and what services about people are handed."""

    def __init__(self, dsn: str, db: Database, app: Database, hasher: Hasher) -> None:
        self.dsn = dsn
        self.db = db
        self.app = app
        self.hasher = hasher
        self.clock = StillClock()
        self.ids = IdFactory(SystemClock())
        self.throttle = Throttle(db, self.clock, keyed)
        self.open_door = Throttle(db, self.clock, keyed, rules=LAX)
        self.keys = KeyEncryptionKeys(mint("k1", os.urandom))
        self.data_keys = DataKeys(self.keys, SystemClock())
        self.vault = Vault(self.data_keys, app)
        self.passkeys = Passkeys(db, self.throttle, self.clock, WebAuthn(relying_party(ORIGIN)))
        self.tenant_id = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, cost: Cost = CHEAP) -> AsyncIterator[Self]:
        with Hasher.open(randomness=os.urandom, cost=cost) as hasher:
            async with (
                Database.open(dsn, Role.IDENTITY, pool_size_max=8) as db,
                Database.open(dsn, Role.APP) as app,
            ):
                house = cls(dsn, db, app, hasher)
                house.tenant_id = await house.tenant("people")
                yield house

    async def tenant(self, name: str) -> str:
        return (await create_tenant(self.app, self.ids, name)).tenant_id

    async def invite(
        self,
        email: str,
        role: MemberRole = MemberRole.USER,
        *,
        tenant_id: str | None = None,
        by: Operator | Actor = OPERATOR,
    ) -> NewClaim:
        return await invite_user(
            self.db,
            self.ids,
            self.clock,
            by=by,
            email=email,
            tenant_id=tenant_id or self.tenant_id,
            role=role,
            reason=REASON,
        )

    async def take_up(
        self,
        claim: NewClaim,
        password: SecretStr = PASSWORD,
        address: str = HERE,
        prove: Prove | None = None,
    ) -> TakenUp:
        return await take_up(
            self.db,
            self.hasher,
            self.throttle,
            self.clock,
            token=claim.token,
            password=password,
            address=address,
            prove=prove,
        )

    def by_passkey(self, device: Authenticator) -> Prove:
        """Return how a claim is confirmed with a passkey."""

        async def prove(user_id: str) -> PasskeyProof:
            options = await self.passkeys.begin_sign_in(HERE)
            return await self.passkeys.finish_sign_in(HERE, device.get(options))

        return prove

    async def person(
        self,
        email: str = "ada@example.com",
        role: MemberRole = MemberRole.USER,
        *,
        tenant_id: str | None = None,
    ) -> Person:
        """Return somebody who was invited and has a password."""
        if role is MemberRole.SUPER_ADMIN:
            tenant_id = PLATFORM
        taken = await self.take_up(await self.invite(email, role, tenant_id=tenant_id))
        return await find_person(self.db, taken.user_id)

    async def enrol(self, person: Person) -> bytes:
        """Return the secret of a TOTP factor in use; the step that confirmed it is used up."""
        await begin_totp(self.db, self.ids, self.vault, person, randomness=lambda n: SECRET[:n])
        await confirm_totp(
            self.db,
            self.vault,
            self.throttle,
            self.clock,
            user_id=person.user.user_id,
            code=code_at(SECRET, self.clock.now_ms // 1000),
            address="203.0.113.1",
        )
        self.clock.advance(STEP_S)
        return SECRET

    async def actor(self, email: str, role: MemberRole, *, tenant_id: str | None = None) -> Actor:
        """Return somebody who signed in just now with a second factor."""
        return proven(await self.person(email, role, tenant_id=tenant_id), self.clock.now_ms)


def code_at(secret: bytes, unix_s: int) -> str:
    """Return the TOTP code of a moment, as an app shows it."""
    return TOTP(secret, 6, SHA1(), STEP_S).generate(unix_s).decode()  # noqa: S303 - RFC 6238


def proven(person: Person, at_ms: int) -> Actor:
    actor = person.actor(at_ms, at_ms)
    assert actor is not None
    return actor


def keyed(content: bytes) -> bytes:
    return hashlib.blake2b(content, key=b"of the tests", digest_size=32).digest()


async def outcomes(*attempts: Awaitable[object]) -> list[object]:
    """Run all at once; return each one's result, or the error that came instead."""
    return list(await asyncio.gather(*attempts, return_exceptions=True))
