"""The driver of the tests about sessions: people, an issuer, and processes that judge tokens."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from pydantic import SecretStr

from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.policy import Actor
from meterr.core.policy import Role as MemberRole
from meterr.core.tokens import Rules
from meterr.identity.factors import FactorProof
from meterr.identity.factors.totp_service import check_totp
from meterr.identity.passwords import Hasher
from meterr.identity.people import Person
from meterr.identity.sessions import (
    Authority,
    Grant,
    Issuer,
    Lifetimes,
    NeedsFactor,
    SessionClient,
    SessionRefused,
    Sessions,
    SignIn,
    SigningKeys,
)
from meterr.identity.sessions.model import Refresh, SignedIn
from meterr.identity.trust import Standing
from support.identity import until
from support.people import PASSWORD, SECRET, PeopleHouse, code_at

RULES = Rules(issuer="https://meterr.example.com", audience="meterr", life_s_max=300)
LAPTOP = SessionClient("203.0.113.9", "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0")
PHONE = SessionClient("2001:db8::7", "Mozilla/5.0 (iPhone) Safari/26")
_PEPPERS = (b"current pepper of the tests", b"previous pepper of the tests")


def macs(content: bytes) -> tuple[bytes, ...]:
    return tuple(
        hashlib.blake2b(content, key=pepper, digest_size=32).digest() for pepper in _PEPPERS
    )


class SessionHouse(PeopleHouse):
    """What people sign in with, and what begins and judges their sessions."""

    def __init__(self, dsn: str, db: Database, app: Database, hasher: Hasher) -> None:
        super().__init__(dsn, db, app, hasher)
        self.signer = self.signing_keys()
        self.issuer = Issuer(
            db=db,
            clock=self.clock,
            ids=IdFactory(SystemClock()),
            keys=self.signer,
            rules=RULES,
            macs=macs,
            pepper_id="current",
            lifetimes=Lifetimes(),
        )
        self.sign_in = SignIn(self.issuer, hasher, self.open_door)
        self.sessions = Sessions(self.issuer)
        self.authority = Authority(db, dsn, self.clock, RULES)

    def signing_keys(self) -> SigningKeys:
        """Return the keys as another process has them."""
        return SigningKeys(self.app, DataKeys(self.keys, SystemClock()), self.clock, RULES)

    def living(self, **seconds: int) -> Sessions:
        """Return the sessions under other lifetimes."""
        return Sessions(replace(self.issuer, lifetimes=Lifetimes(**seconds)))

    async def begin(
        self,
        email: str = "ada@example.com",
        client: SessionClient = LAPTOP,
        password: SecretStr = PASSWORD,
    ) -> Grant:
        """Sign in somebody who owes nothing but the password."""
        outcome = await self.sign_in.with_password(email, password, client)
        assert isinstance(outcome, Grant)
        return outcome

    async def begin_with_factor(self, person: Person, client: SessionClient = LAPTOP) -> Grant:
        """Sign in somebody who has enrolled with a factor."""
        outcome = await self.sign_in.with_password(person.user.email, PASSWORD, client)
        assert isinstance(outcome, NeedsFactor)
        return await self.sign_in.finish(outcome.challenge, await self.code(person), client)

    async def code(self, person: Person) -> FactorProof:
        """Give the TOTP code of now, and let 30 seconds pass: the next one is another."""
        proof = await check_totp(
            self.db,
            self.vault,
            self.open_door,
            self.clock,
            user_id=person.user.user_id,
            code=code_at(SECRET, self.clock.now_ms // 1000),
            address=LAPTOP.address,
        )
        self.clock.advance(30)
        return proof

    async def admin(self, email: str = "root@example.com") -> Person:
        """Return an administrator with a factor."""
        person = await self.person(email, MemberRole.ADMIN)
        await self.enrol(person)
        return person

    async def refreshed(self, grant: Grant, client: SessionClient = LAPTOP) -> Grant:
        """Return the next grant; fail when there is none."""
        found = await self.sessions.refresh(grant.refresh, client)
        assert found.grant is not None
        return found.grant

    async def actor_of(self, grant: Grant) -> Actor:
        return (await self.signed_in(grant)).actor

    async def signed_in(self, grant: Grant) -> SignedIn:
        return await self.authority.signed_in(grant.access.get_secret_value())

    async def counts(self, grant: Grant) -> bool:
        """Return whether the access token counts, as a process that asks the database sees it."""
        try:
            await self.signed_in(grant)
        except SessionRefused:
            return False
        return True

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Authority]:
        """Yield what one process has: a memory and a listener of its own."""
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(Database.open(self.dsn, Role.IDENTITY))
            authority = Authority(db, self.dsn, self.clock, RULES)
            running = asyncio.create_task(authority.run())
            try:
                await until(lambda: authority.state is Standing.LIVE)
                yield authority
            finally:
                running.cancel()
                await asyncio.wait({running})


def granted(found: Refresh) -> Grant:
    assert found.grant is not None
    return found.grant
