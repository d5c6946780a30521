"""Seal and open values: the data keys of all tenants, unwrapped when needed, few kept at a time."""

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meterr.core.clock import Clock
from meterr.core.crypto import store
from meterr.core.crypto.envelope import DataKey, Place, key_version
from meterr.core.crypto.errors import KeyMissing, KeyRefused, KeyRetired, Unreadable
from meterr.core.crypto.key_text import KEY_BYTES, NONCE_BYTES, KeyEncryptionKey
from meterr.core.crypto.keys import KeyEncryptionKeys
from meterr.core.crypto.model import WrappedKey
from meterr.core.crypto.unshown import Unshown
from meterr.core.crypto.wrapping import unwrap, wrap
from meterr.core.db import Connection

CACHED_MAX: Final = 1024
CACHED_S: Final = 60.0
"""How long a data key that has retired may stay in the memory of another process."""


@dataclass(frozen=True, slots=True)
class _Cached:
    key: DataKey
    wrapped: bytes
    until: float


class DataKeys(Unshown):
    """
    The data keys of all tenants, seen through the key-encryption keys of this process.

    At most ``cached_max`` data keys stay in memory unwrapped, each for at most 60 s. Belongs to one
    event loop. Every connection it is given is in the transaction of the place's tenant.
    """

    __slots__ = ("_cached", "_cached_max", "_clock", "_keys", "_randomness")

    def __init__(
        self,
        keys: KeyEncryptionKeys,
        clock: Clock,
        randomness: Callable[[int], bytes] = os.urandom,
        *,
        cached_max: int = CACHED_MAX,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._randomness = randomness
        self._cached_max = cached_max
        self._cached: OrderedDict[tuple[str, int], _Cached] = OrderedDict()

    async def prepare(self, connection: Connection, tenant_id: str) -> None:
        """Make the tenant's first data key if there is none, for roles that may only use one."""
        await self._held(connection, tenant_id)

    async def seal(self, connection: Connection, place: Place, plaintext: bytes) -> bytes:
        """
        Return ``plaintext`` sealed for ``place``, to be written in this same transaction.

        Makes the tenant's first data key when there is none. Until the transaction ends the data
        key cannot retire. Raises KeyMissing, KeyRetired, KeyRefused.
        """
        key = await self._held(connection, place.tenant_id)
        return key.seal(place, plaintext, self._randomness(NONCE_BYTES))

    async def open(self, connection: Connection, place: Place, sealed: bytes) -> bytes:
        """Return the plaintext. Raises Unreadable for whatever was not sealed here, KeyMissing."""
        version = key_version(sealed)
        cached = self._cached.get((place.tenant_id, version))
        if cached is not None and self._clock.monotonic() < cached.until:
            try:
                return cached.key.open(place, sealed)
            except Unreadable:
                # A key whose making was rolled back may stand here; the database knows.
                del self._cached[place.tenant_id, version]
        stored = await store.read_data_key(connection, place.tenant_id, version)
        if stored is None:
            raise Unreadable
        return self._unwrapped(place.tenant_id, stored).open(place, sealed)

    async def reseal(
        self, connection: Connection, tenant_id: str, sealed: Sequence[tuple[Place, bytes]]
    ) -> list[bytes | None]:
        """Return each value sealed anew under the key of now; None for what is unreadable."""
        current = await self._held(connection, tenant_id)
        anew: list[bytes | None] = []
        for place, value in sealed:
            try:
                plaintext = await self.open(connection, place, value)
            except Unreadable:
                anew.append(None)
                continue
            anew.append(current.seal(place, plaintext, self._randomness(NONCE_BYTES)))
        return anew

    async def add_version(
        self, connection: Connection, tenant_id: str, *, created_at_ms: int | None = None
    ) -> int:
        """Make a new data key, which seals from now on; return its version."""
        key = await self._make(connection, tenant_id, created_at_ms)
        return key.version

    async def rewrap(self, connection: Connection, tenant_id: str) -> tuple[int, list[int]]:
        """
        Wrap all data keys of the tenant under the current key-encryption key.

        Return how many that was, and the versions that do not open and stay.
        """
        current = await self._current(connection)
        await store.lock_data_keys(connection, tenant_id)
        moved = await store.data_keys_not_under(connection, tenant_id, current.kid)
        unreadable = []
        for stored in moved:
            try:
                key = self._unwrapped(tenant_id, stored)
            except Unreadable:
                unreadable.append(stored.version)
                continue
            await store.rewrap_data_key(connection, tenant_id, self._wrapped(key, current))
        return len(moved) - len(unreadable), unreadable

    def forget(self, tenant_id: str) -> None:
        """Drop the tenant's data keys from memory."""
        for cached in [each for each in self._cached if each[0] == tenant_id]:
            del self._cached[cached]

    async def _held(self, connection: Connection, tenant_id: str) -> DataKey:
        stored = await store.hold_current_data_key(connection, tenant_id)
        if stored is None:
            return await self._first(connection, tenant_id)
        return self._unwrapped(tenant_id, stored)

    async def _first(self, connection: Connection, tenant_id: str) -> DataKey:
        await store.lock_data_keys(connection, tenant_id)
        stored = await store.hold_current_data_key(connection, tenant_id)
        if stored is not None:  # another transaction was faster
            return self._unwrapped(tenant_id, stored)
        return await self._make(connection, tenant_id, None)

    async def _make(
        self, connection: Connection, tenant_id: str, created_at_ms: int | None
    ) -> DataKey:
        current = await self._current(connection)
        await store.lock_data_keys(connection, tenant_id)
        version = await store.next_version(connection, tenant_id)
        key = DataKey(tenant_id, version, self._randomness(KEY_BYTES))
        stored = self._wrapped(key, current)
        await store.insert_data_key(connection, tenant_id, stored, created_at_ms)
        return key

    async def _current(self, connection: Connection) -> KeyEncryptionKey:
        """Return the key to wrap under: the one that this database knows by its name, and live."""
        for keys in (self._keys, self._keys.reread()):
            self._keys, current = keys, keys.current
            await store.note_key_encryption_key(connection, current.kid, current.verifier)
            known = await store.hold_key_encryption_key(connection, current.kid)
            if known is not None and known.verifier != current.verifier:
                raise KeyRefused(
                    f"The key-encryption key {current.kid!r} is not the one that this database "
                    "knows by that name. Restore the right one; a new key needs a new name."
                )
            if known is not None and not known.retired:
                return current
        raise KeyRetired(
            f"The key-encryption key {current.kid!r} was retired from this database. Make the key "
            "that replaced it the current one here, and restart."
        )

    def _unwrapped(self, tenant_id: str, stored: WrappedKey) -> DataKey:
        cached = self._cached.get((tenant_id, stored.version))
        now = self._clock.monotonic()
        if cached is not None and cached.wrapped == stored.wrapped and now < cached.until:
            self._cached.move_to_end((tenant_id, stored.version))
            return cached.key
        key = unwrap(stored.wrapped, self._named(stored.kek_id), tenant_id, stored.version)
        self._cached[tenant_id, stored.version] = _Cached(key, stored.wrapped, now + CACHED_S)
        self._cached.move_to_end((tenant_id, stored.version))
        while len(self._cached) > self._cached_max:
            self._cached.popitem(last=False)
        return key

    def _named(self, kid: str) -> KeyEncryptionKey:
        try:
            return self._keys.named(kid)
        except KeyMissing:
            self._keys = self._keys.reread()
            return self._keys.named(kid)

    def _wrapped(self, key: DataKey, under: KeyEncryptionKey) -> WrappedKey:
        return WrappedKey(key.version, under.kid, wrap(key, under, self._randomness(NONCE_BYTES)))

    def _shown(self) -> str:
        return f"{len(self._cached)} unwrapped"
