"""Signing keys: made when they are first needed, rotated while everything runs, listed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meterr.core.clock import Clock, as_datetime
from meterr.core.crypto import DataKeys, Place, SealedColumn
from meterr.core.db import Connection, Database
from meterr.core.policy import PLATFORM
from meterr.core.tokens import Rules, SigningKey, new_signing_key
from meterr.identity.sessions import store
from meterr.identity.sessions.errors import RotationTooSoon
from meterr.identity.sessions.key_states import (
    KeyRecord,
    KeyState,
    accepted_to_ms,
    signs_since_ms,
    wait_ms,
)

SECRET: Final = SealedColumn(table="signing_key", column="secret", keys=("kid",))


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: who signs now, who is next, and whose tokens still count until when."""

    current: str
    next: str
    previous: tuple[KeyRecord, ...]


class SigningKeys:
    """
    The keys of this installation, for whoever signs or rotates.

    Takes the database as ``Role.APP``. Keeps the one private key that it used last; whether that is
    still the one which signs, the database is asked each time.
    """

    def __init__(
        self,
        db: Database,
        data_keys: DataKeys,
        clock: Clock,
        rules: Rules,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._db = db
        self._data_keys = data_keys
        self._clock = clock
        self._rules = rules
        self._randomness = randomness
        self._last: SigningKey | None = None

    async def current(self) -> SigningKey:
        """
        Return the key that signs, making the first two when there is none.

        Raises KeyMissing, Unreadable when it cannot be unsealed here.
        """
        async with self._db.tenant_transaction(PLATFORM) as connection:
            found = await store.read_current_key(connection)
            if found is None:
                await store.lock_signing_keys(connection)
                found = await store.read_current_key(connection)
            if found is None:  # and nobody was faster
                self._last = await self._make(connection, KeyState.CURRENT)
                await self._make(connection, KeyState.NEXT)
                return self._last
            if self._last is None or self._last.kid != found[0]:
                kid, sealed = await store.hold_current_key(connection) or found
                seed = await self._data_keys.open(connection, _place(kid), sealed)
                self._last = SigningKey(kid, seed)
            return self._last

    async def rotate(self, *, at_once: bool = False) -> Rotation:
        """
        Let the next key sign, make another next one, and retire what no token needs any more.

        What the key before has signed counts until it is over, so nobody notices. With ``at_once``
        it counts no more from now on, and neither does the key that was next: for keys that
        somebody may have seen. People then go on with their refresh tokens.

        Raises RotationTooSoon when the next key was published less than 5 s ago.
        """
        async with self._db.tenant_transaction(PLATFORM) as connection:
            await store.lock_signing_keys(connection)
            return await self._rotated(connection, at_once=at_once)

    async def keep(self, age_s_max: int) -> Rotation | None:
        """
        Rotate when the current key has signed for ``age_s_max``; None when it was not time.

        Any number of processes may call this, at any times: one of them rotates. Keys whose last
        token is over are retired besides. Where nobody ever signed in, there is nothing to keep.
        """
        if not await self._is_due(age_s_max):
            return None
        async with self._db.tenant_transaction(PLATFORM) as connection:
            await store.lock_signing_keys(connection)
            # Another one was faster, perhaps: whoever waited looks again.
            if not _due(await store.list_signing_keys(connection), self._clock, age_s_max):
                return None
            return await self._rotated(connection, at_once=False)

    async def _is_due(self, age_s_max: int) -> bool:
        async with self._db.tenant_transaction(PLATFORM) as connection:
            await store.retire_signing_keys(connection, self._clock.unix_ms(), all_=False)
            return _due(await store.list_signing_keys(connection), self._clock, age_s_max)

    async def _rotated(self, connection: Connection, *, at_once: bool) -> Rotation:
        now_ms = self._clock.unix_ms()
        await store.retire_signing_keys(connection, now_ms, all_=at_once)
        states = {key.state: key for key in await store.list_signing_keys(connection)}
        if at_once or KeyState.NEXT not in states:
            await self._begin_anew(connection, now_ms)
        else:
            wait = wait_ms(states[KeyState.NEXT], now_ms)
            if wait:
                raise RotationTooSoon(-(-wait // 1000))
            until = accepted_to_ms(now_ms, self._rules.life_s_max, self._rules.leeway_s)
            await store.stop_signing(connection, KeyState.CURRENT, KeyState.PREVIOUS, until)
            await store.begin_signing(connection)
        await self._make(connection, KeyState.NEXT)
        return _told(await store.list_signing_keys(connection))

    async def _begin_anew(self, connection: Connection, now_ms: int) -> None:
        for was in (KeyState.CURRENT, KeyState.NEXT):
            await store.stop_signing(connection, was, KeyState.GONE, now_ms)
        await self._make(connection, KeyState.CURRENT)

    async def _make(self, connection: Connection, state: KeyState) -> SigningKey:
        now_ms = self._clock.unix_ms()
        day = as_datetime(now_ms).strftime("%Y%m%d")
        key = new_signing_key(f"s{day}-{self._randomness(6).hex()}", self._randomness)
        sealed = await self._data_keys.seal(connection, _place(key.kid), key.seed())
        await store.insert_signing_key(connection, key.verifying, sealed, state, now_ms)
        return key


async def list_signing_keys(db: Database) -> list[KeyRecord]:
    """Return all keys there ever were, in the order of their lives. For ``Role.APP``."""
    async with db.tenant_transaction(PLATFORM) as connection:
        return await store.list_signing_keys(connection)


def _place(kid: str) -> Place:
    return Place(PLATFORM, SECRET.table, SECRET.column, (kid,))


def _due(keys: list[KeyRecord], clock: Clock, age_s_max: int) -> bool:
    following = next((key for key in keys if key.state is KeyState.NEXT), None)
    if following is None:
        return False
    return clock.unix_ms() >= signs_since_ms(following) + age_s_max * 1000


def _told(keys: list[KeyRecord]) -> Rotation:
    kids = {key.state: key.kid for key in keys}
    return Rotation(
        current=kids[KeyState.CURRENT],
        next=kids[KeyState.NEXT],
        previous=tuple(key for key in keys if key.state is KeyState.PREVIOUS),
    )
