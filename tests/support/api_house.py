"""A running meterr whose management API people of every role use, in two tenants."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr import identity
from meterr.core.clock import SystemClock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys, mint
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.policy import PLATFORM
from meterr.core.policy import Role as MemberRole
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.tokens import Rules
from meterr.identity.factors import FactorProof, Vault
from meterr.identity.factors.totp_service import begin_totp, confirm_totp
from meterr.identity.keyring import Pepper
from meterr.identity.passwords import Hasher, take_up
from meterr.identity.people import find_person, invite_user
from meterr.identity.sessions import Grant, Issuer, NeedsFactor, SessionClient, SignIn, SigningKeys
from meterr.identity.throttle import Throttle
from support import server
from support.meterr_house import PEPPER, House, open_house
from support.people import CHEAP, LAX, OPERATOR, PASSWORD, SECRET, code_at, keyed
from support.simulator import Answer, Wire

ORIGIN = "http://localhost:8080"
REASON = "on call, incident 4711"
JSON = {"content-type": "application/json"}
FRESH_S = 200


@dataclass(frozen=True)
class Who:
    """Somebody of the tests: what they are, and where."""

    name: str
    role: MemberRole
    tenant: str  # "own", "other" or "platform"
    factor: bool


PEOPLE = (
    Who("user", MemberRole.USER, "own", factor=False),
    Who("admin", MemberRole.ADMIN, "own", factor=True),
    Who("user-elsewhere", MemberRole.USER, "other", factor=False),
    Who("admin-elsewhere", MemberRole.ADMIN, "other", factor=True),
    Who("super-admin", MemberRole.SUPER_ADMIN, "platform", factor=True),
)


@dataclass
class ApiHouse:
    """Sessions for everybody in ``PEOPLE``, and raw requests with them."""

    house: House
    keks: KeyEncryptionKeys
    tenants: dict[str, str]
    users: dict[str, str] = field(default_factory=dict)
    _grants: dict[str, tuple[float, Grant]] = field(default_factory=dict)

    @property
    def wire(self) -> Wire:
        return Wire(urlsplit(self.house.base_url).port or 0)

    def grant(self, name: str, *, new: bool = False) -> Grant:
        """Return a session of somebody, begun lately enough to count."""
        begun, grant = self._grants.get(name, (0.0, None))
        if new or grant is None or time.monotonic() - begun > FRESH_S:
            grant = asyncio.run(self._begin(name))
            if new:
                return grant
            self._grants[name] = (time.monotonic(), grant)
        return grant

    def token(self, name: str) -> str:
        return self.grant(name).access.get_secret_value()

    def stale(self, name: str) -> str:
        """Return the token of a session whose second factor was given an hour ago."""
        grant = self.grant(name, new=True)
        with psycopg.connect(self.house.admin_dsn) as connection:
            connection.execute(
                """update meterr.user_session set factor_at = factor_at - interval '1 hour'
                    where session_id = %s""",
                [grant.session_id],
            )
        return grant.access.get_secret_value()

    def forget(self, name: str) -> None:
        """Let the next request of somebody begin a new session."""
        self._grants.pop(name, None)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        who: str | None = None,
        reason: bool = True,
    ) -> Answer:
        """Send one request; ``who`` signs it with a bearer token, and gives a reason."""
        sent = {"host": "localhost", **(JSON if body is not None else {})}
        if who is not None:
            sent["authorization"] = f"Bearer {self.token(who)}"
            if reason:
                sent["x-meterr-reason"] = REASON
        return self.wire.send(method, path, body, {**sent, **(headers or {})})

    def wire_lines(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> str:
        """Return a whole answer as text: headers that come more than once are all there."""
        data = b"" if body is None else json.dumps(body).encode()
        head = {"host": "localhost", **JSON, **headers, "content-length": str(len(data))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        with socket.create_connection(("127.0.0.1", self.wire.port), timeout=30) as line:
            line.sendall(f"{method} {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode())
            line.sendall(data)
            return b"".join(iter(lambda: line.recv(65536), b"")).decode()

    def cookie(self, name: str) -> dict[str, str]:
        return {"cookie": f"meterr-dev={self.token(name)}"}

    async def _begin(self, name: str) -> Grant:
        async with Services(self.house.database_url, self.keks) as at:
            outcome = await at.sign_in.with_password(
                email_of(name), PASSWORD, SessionClient("127.0.0.1", "tests")
            )
            if isinstance(outcome, NeedsFactor):
                proof = FactorProof(self.users[name], at.clock.unix_ms(), ())
                return await at.sign_in.finish(
                    outcome.challenge, proof, SessionClient("127.0.0.1", "t")
                )
            assert isinstance(outcome, Grant)
            return outcome

    async def settle(self) -> None:
        """Make everybody."""
        async with Services(self.house.database_url, self.keks) as at:
            self.tenants["other"] = (
                await identity.create_tenant(at.app, at.ids, "globex")
            ).tenant_id
            for who in PEOPLE:
                self.users[who.name] = await at.make(who, self.tenants[who.tenant])


def email_of(name: str) -> str:
    return f"{name}@example.com"


class Services:
    """What this installation's own processes have, for setting the scene."""

    def __init__(self, dsn: str, keks: KeyEncryptionKeys) -> None:
        self._dsn, self._keks = dsn, keks
        self.clock = SystemClock()
        self.ids = IdFactory(self.clock)

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self.db = await self._stack.enter_async_context(Database.open(self._dsn, Role.IDENTITY))
        self.app = await self._stack.enter_async_context(Database.open(self._dsn, Role.APP))
        self.hasher = self._stack.enter_context(Hasher.open(randomness=os.urandom, cost=CHEAP))
        self.throttle = Throttle(self.db, self.clock, keyed, rules=LAX)
        data_keys = DataKeys(self._keks, self.clock)
        self.vault = Vault(data_keys, self.app)
        rules = Rules(issuer=ORIGIN, audience="meterr", life_s_max=300)
        keyring = identity.Keyring(Pepper(PEPPER.encode(), origin="test"))
        self.issuer = Issuer(
            db=self.db,
            clock=self.clock,
            ids=self.ids,
            keys=SigningKeys(self.app, data_keys, self.clock, rules),
            rules=rules,
            macs=keyring.macs,
            pepper_id=keyring.current.id,
        )
        self.sign_in = SignIn(self.issuer, self.hasher, self.throttle)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def make(self, who: Who, tenant_id: str) -> str:
        claim = await invite_user(
            self.db,
            self.ids,
            self.clock,
            by=OPERATOR,
            email=email_of(who.name),
            tenant_id=tenant_id,
            role=who.role,
        )
        taken = await take_up(
            self.db,
            self.hasher,
            self.throttle,
            self.clock,
            token=claim.token,
            password=PASSWORD,
            address="127.0.0.1",
        )
        if who.factor:
            person = await find_person(self.db, taken.user_id)
            await begin_totp(self.db, self.ids, self.vault, person, randomness=lambda n: SECRET[:n])
            await confirm_totp(
                self.db,
                self.vault,
                self.throttle,
                self.clock,
                user_id=taken.user_id,
                code=code_at(SECRET, self.clock.unix_ms() // 1000),
                address="127.0.0.1",
            )
        return taken.user_id


@contextmanager
def shared_api_house(
    postgres: EmbeddedPostgres, config: str = "", *, origin: str = ORIGIN
) -> Iterator[ApiHouse]:
    """Start a house of its own database; everybody of ``PEOPLE`` lives in it."""
    name = f"api_{os.urandom(8).hex()}"
    server.create_database(postgres.admin_dsn, name, server.TEMPLATE)
    try:
        with server.open_directory() as root:
            yield from _opened(postgres, name, root, config, origin)
    finally:
        server.drop_database(postgres.admin_dsn, name)


def _opened(
    postgres: EmbeddedPostgres, name: str, root: Path, config: str, origin: str
) -> Iterator[ApiHouse]:
    kek = mint("k1", os.urandom)
    further = {"METERR_KEY_ENCRYPTION_KEY": kek.text(), "METERR_SIGN_IN__ORIGIN": origin}
    dsn = make_conninfo(postgres.dsn, dbname=name)
    admin = make_conninfo(postgres.admin_dsn, dbname=conninfo_to_dict(dsn)["dbname"])
    with open_house(dsn, admin, root, config=config, further=further) as house:
        tenants = {"own": house.tenant_id, "platform": PLATFORM}
        api = ApiHouse(house, KeyEncryptionKeys(kek), tenants)
        asyncio.run(api.settle())
        yield api


def told(answer: Answer) -> Any:
    """Return the JSON of an answer."""
    return json.loads(answer.body)
