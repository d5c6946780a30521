"""Sessions, composed from the settings: for whatever process serves people."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from meterr import identity
from meterr.app.people import People
from meterr.app.signing_key_upkeep import signing_key_upkeep
from meterr.app.upkeep import running
from meterr.core.clock import Clock
from meterr.core.crypto import DataKeys, KeyEncryptionKeys
from meterr.core.db import Database, Role
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.core.telemetry import Telemetry
from meterr.core.tokens import Rules
from meterr.identity.sessions import (
    Authority,
    Cookies,
    Issuer,
    Lifetimes,
    Sessions,
    SignIn,
    SigningKeys,
)

AUDIENCE: Final = "meterr"


@dataclass(frozen=True, slots=True)
class SessionServices:
    """What routes about people are handed; ``cookies`` needs ``sign_in.origin``."""

    sign_in: SignIn
    sessions: Sessions
    authority: Authority
    cookies: Cookies | None


def token_rules(settings: Settings) -> Rules:
    """Return what all access tokens of this installation have in common."""
    return Rules(
        issuer=settings.sign_in.origin or AUDIENCE,
        audience=AUDIENCE,
        life_s_max=settings.session.access_s,
    )


@asynccontextmanager
async def open_sessions(
    settings: Settings,
    dsn: str,
    keyring: identity.Keyring,
    keys: KeyEncryptionKeys,
    clock: Clock,
    people: People,
    telemetry: Telemetry,
) -> AsyncIterator[SessionServices]:
    """
    Yield the services about sessions for the block, listening for what ends them; the keys that
    tokens are signed with are kept meanwhile.

    Raises OriginRefused when cookies would travel in clear.
    """
    limits = settings.session
    rules = token_rules(settings)
    origin = settings.sign_in.origin
    async with Database.open(dsn, Role.APP, pool_size_max=2) as db_app:
        issuer = Issuer(
            db=people.db,
            clock=clock,
            ids=IdFactory(clock),
            keys=SigningKeys(db_app, DataKeys(keys, clock), clock, rules),
            rules=rules,
            macs=keyring.macs,
            pepper_id=keyring.current.id,
            lifetimes=Lifetimes(
                access_s=limits.access_s,
                idle_s=limits.idle_s,
                absolute_s=limits.absolute_s,
                per_person_max=limits.per_person_max,
            ),
            randomness=os.urandom,
        )
        authority = Authority(people.db, dsn, clock, rules)
        keeping = signing_key_upkeep(issuer.keys, limits.signing_key_s, telemetry).run()
        async with running(authority.run(), keeping):
            yield SessionServices(
                sign_in=SignIn(issuer, people.hasher, people.throttle),
                sessions=Sessions(issuer),
                authority=authority,
                cookies=None if origin is None else Cookies.of(origin),
            )
