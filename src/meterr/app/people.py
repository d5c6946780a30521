"""What people sign in with, composed from the settings: for whatever process serves them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from meterr import identity
from meterr.core.clock import Clock
from meterr.core.db import Database, Role
from meterr.core.settings import Settings
from meterr.identity.factors import Passkeys
from meterr.identity.factors.relying_party import relying_party
from meterr.identity.passwords import Hasher
from meterr.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class People:
    """The arguments that services about people take; ``passkeys`` needs ``sign_in.origin``."""

    db: Database
    hasher: Hasher
    throttle: Throttle
    passkeys: Passkeys | None
    step_up_ms: int


@asynccontextmanager
async def open_people(
    settings: Settings, dsn: str, keyring: identity.Keyring, clock: Clock
) -> AsyncIterator[People]:
    """
    Yield what people sign in with, for the block.

    Raises RelyingPartyRefused when passkeys cannot work with ``sign_in.origin`` and ``rp_id``.
    """
    limits = settings.sign_in
    party = None if limits.origin is None else relying_party(limits.origin, limits.rp_id)
    with Hasher.open(
        randomness=os.urandom,
        running_max=limits.hashes_max,
        waiting_max=limits.hashes_waiting_max,
    ) as hasher:
        async with Database.open(dsn, Role.IDENTITY) as db:
            throttle = Throttle(db, clock, keyring.mac)
            yield People(
                db=db,
                hasher=hasher,
                throttle=throttle,
                passkeys=None if party is None else Passkeys(db, throttle, clock, party),
                step_up_ms=limits.step_up_s * 1000,
            )
