"""What people sign in with, composed from the settings: for whatever process serves them."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pkgutil import resolve_name

from meterr import identity
from meterr.app import encryption
from meterr.core.clock import Clock
from meterr.core.crypto import DataKeys
from meterr.core.db import Database, Role
from meterr.core.settings import Settings
from meterr.identity.factors import Passkeys, Vault
from meterr.identity.factors.ceremony import Ceremonies
from meterr.identity.factors.relying_party import RelyingParty, relying_party
from meterr.identity.passwords import Hasher
from meterr.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class People:
    """
    The arguments that services about people take.

    ``passkeys`` needs ``sign_in.origin``, ``vault`` (and so TOTP) a key-encryption key.
    """

    db: Database
    hasher: Hasher
    throttle: Throttle
    passkeys: Passkeys | None
    vault: Vault | None
    step_up_ms: int


@asynccontextmanager
async def open_people(
    settings: Settings, dsn: str, keyring: identity.Keyring, clock: Clock
) -> AsyncIterator[People]:
    """
    Yield what people sign in with, for the block.

    Raises RelyingPartyRefused when passkeys cannot work with ``sign_in.origin`` and ``rp_id``, and
    KeyRefused for a key-encryption key that cannot be used.
    """
    limits = settings.sign_in
    keys = encryption.configured(settings)
    party = None if limits.origin is None else relying_party(limits.origin, limits.rp_id)
    with Hasher.open(
        randomness=os.urandom,
        running_max=limits.hashes_max,
        waiting_max=limits.hashes_waiting_max,
    ) as hasher:
        async with (
            Database.open(dsn, Role.IDENTITY) as db,
            Database.open(dsn, Role.APP, pool_size_max=1) as db_app,
        ):
            throttle = Throttle(db, clock, keyring.mac)
            yield People(
                db=db,
                hasher=hasher,
                throttle=throttle,
                passkeys=None
                if party is None
                else Passkeys(db, throttle, clock, _ceremonies(party)),
                vault=None if keys is None else Vault(DataKeys(keys, clock), db_app),
                step_up_ms=limits.step_up_s * 1000,
            )


def _ceremonies(party: RelyingParty) -> Ceremonies:
    # By name: the library takes 7 MB, which a process without passkeys is to be spared.
    of: Callable[[RelyingParty], Ceremonies] = resolve_name(
        "meterr.identity.factors.webauthn_ceremonies:WebAuthn"
    )
    return of(party)
