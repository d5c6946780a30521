"""What the routes about people and keys are handed. Opened and composed by ``app``."""

from dataclasses import dataclass

from meterr.core.clock import Clock
from meterr.core.crypto import DataKeys
from meterr.core.db import Database
from meterr.core.events import Reporter
from meterr.core.ids import IdFactory
from meterr.identity.factors import Passkeys, Vault
from meterr.identity.keyring import Keyring
from meterr.identity.passwords import Hasher
from meterr.identity.sessions import Authority, Cookies, Sessions, SignIn
from meterr.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class IdentityServices:
    """
    Everything of this room that routes call.

    ``db`` acts as ``Role.APP``, ``people_db`` as ``Role.IDENTITY``. ``cookies`` and ``passkeys``
    need ``sign_in.origin``.
    """

    db: Database
    people_db: Database
    clock: Clock
    ids: IdFactory
    keyring: Keyring
    data_keys: DataKeys
    hasher: Hasher
    throttle: Throttle
    vault: Vault
    passkeys: Passkeys | None
    sign_in: SignIn
    sessions: Sessions
    authority: Authority
    cookies: Cookies | None
    step_up_ms: int
    reporter: Reporter
