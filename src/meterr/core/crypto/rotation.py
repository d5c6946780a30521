"""
New keys while everything runs: wrap data keys anew, seal values anew, let old keys retire.

What is left to do is read from the data itself (which key each data key and each value names), so a
rotation that was killed goes on where it was, and two at a time do no harm. PostgreSQL refuses to
let a key retire that anything still refers to.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg.errors

from meterr.core.crypto import store
from meterr.core.crypto.data_keys import DataKeys
from meterr.core.crypto.envelope import Place
from meterr.core.crypto.errors import Unreadable
from meterr.core.crypto.model import DataKeyState
from meterr.core.crypto.sealed_column import SealedColumn
from meterr.core.db import Database

BATCH_ROWS: Final = 200
_PAUSE_S: Final = 0.05
_PATIENCE_S: Final = 30.0
"""How long rows may stay locked by others, or come in under an old key, before we leave it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Values of one tenant that are sealed anew so far, of all that there were to do."""

    tenant_id: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys are wrapped anew, and those that do not open and stay as they are."""

    keys: int
    unreadable: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation of data keys did."""

    tenants: int = 0
    values: int = 0
    unreadable: tuple[Place, ...] = ()  # left as they are, with the key version that they name
    unfinished: int = 0  # tenants with an old data key that something still refers to


Report = Callable[[Progress], None]


async def rewrap_data_keys(db: Database, data_keys: DataKeys) -> Rewrapped:
    """
    Wrap every tenant's data keys under the current key-encryption key.

    One that does not open is left, told, and holds up no other. Reads and writes go on meanwhile.
    Raises KeyMissing, KeyRetired, KeyRefused.
    """
    moved = 0
    unreadable: list[Place] = []
    for tenant_id in _tenants(await _living(db)):
        async with db.tenant_transaction(tenant_id) as connection:
            count, odd = await data_keys.rewrap(connection, tenant_id)
        moved += count
        unreadable += [_place_of_key(tenant_id, version) for version in odd]
    return Rewrapped(moved, tuple(unreadable))


async def retire_key_encryption_keys(db: Database, current_kid: str) -> list[str]:
    """Retire all keys but ``current_kid`` that wrap nothing; return all that are retired now."""
    async with db.transaction() as connection:
        known = await store.list_key_encryption_keys(connection)
    retired = [key.kek_id for key in known if key.retired]
    for key in known:
        if key.retired or key.kek_id == current_kid:
            continue
        try:
            async with db.transaction() as connection:
                await store.retire_key_encryption_key(connection, key.kek_id)
        except psycopg.errors.ForeignKeyViolation:
            continue
        retired.append(key.kek_id)
    return retired


async def rotate_data_keys(
    db: Database,
    data_keys: DataKeys,
    columns: Mapping[SealedColumn, Database],
    report: Report,
    *,
    patience_s: float = _PATIENCE_S,
) -> Rotated:
    """
    Give every tenant a new data key, seal all its values under it, and retire the old ones.

    ``columns`` has each column with the database seen as the role that may write it.
    A rotation that was cut off is finished, not begun again. Each batch is its own transaction;
    rows that others hold are visited again later. What does not open stays where it is, with the
    key that it names; it holds up no other value, no other tenant and no later rotation.
    """
    living = _tenants(await _living(db))
    ran: dict[str, _Resealing] = {}

    async def run(tenant_id: str, keys: Sequence[DataKeyState]) -> _Resealing:
        versions = [key.version for key in keys]
        ran[tenant_id] = _Resealing(db, data_keys, columns, tenant_id, versions, report)
        await ran[tenant_id].run(patience_s)
        return ran[tenant_id]

    values, cut_off_ms = 0, 0
    for tenant_id, keys in living.items():
        if len(keys) > 1:
            before = await run(tenant_id, keys)
            values += before.done
            # Where all that is left cannot be read, nothing of a rotation is left to do.
            if not before.stuck:
                cut_off_ms = max(cut_off_ms, keys[-1].created_at_ms)
    started_at_ms = cut_off_ms or int(await db.server_time_s() * 1000)
    for tenant_id, keys in living.items():
        if keys[-1].created_at_ms < started_at_ms:
            async with db.tenant_transaction(tenant_id) as connection:
                await data_keys.add_version(connection, tenant_id, created_at_ms=started_at_ms)
    for tenant_id, keys in _tenants(await _living(db)).items():
        already = tenant_id in ran and ran[tenant_id].version == keys[-1].version
        if len(keys) > 1 and not already:
            values += (await run(tenant_id, keys)).done
    return Rotated(
        tenants=len(ran),
        values=values,
        unreadable=tuple(place for each in ran.values() for place in each.unreadable),
        unfinished=sum(not each.finished for each in ran.values()),
    )


class _Resealing:
    """One tenant's values, sealed anew in batches under the last of ``versions``."""

    def __init__(
        self,
        db: Database,
        data_keys: DataKeys,
        columns: Mapping[SealedColumn, Database],
        tenant_id: str,
        versions: Sequence[int],
        report: Report,
    ) -> None:
        self._db = db
        self._data_keys = data_keys
        self._columns = columns
        self._tenant_id = tenant_id
        self._older = versions[:-1]
        self._report = report
        self._total = 0
        self.version = versions[-1]
        self.done = 0
        self.unreadable: list[Place] = []
        self.finished = False
        self.stuck = False

    async def run(self, patience_s: float) -> None:
        """
        Go on until every older data key is retired (``finished``), or nothing gets better.

        ``stuck`` says that there was nothing to do but for what is ``unreadable``.
        """
        try:
            await self._seal_anew(patience_s)
        except Unreadable:  # the new data key itself
            self.unreadable = [_place_of_key(self._tenant_id, self.version)]
            self.stuck = True

    async def _seal_anew(self, patience_s: float) -> None:
        self._total = await self._left()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            before = self.done
            self.unreadable = []
            for column, db in self._columns.items():
                await self._pass(column, db)
            self.finished = await self._retired()
            if self.finished:
                return
            if self.done > before:
                deadline = loop.time() + patience_s
            elif await self._left() <= len(self.unreadable):
                self.stuck = self.done == 0
                return
            elif loop.time() > deadline:
                return
            await asyncio.sleep(_PAUSE_S)

    async def _pass(self, column: SealedColumn, db: Database) -> None:
        after: Sequence[str] | None = None
        while True:
            async with db.tenant_transaction(self._tenant_id) as connection:
                rows = await store.rows_below(
                    connection,
                    self._tenant_id,
                    column,
                    version=self.version,
                    after=after,
                    limit=BATCH_ROWS,
                )
                if not rows:
                    return
                places = [
                    (Place(self._tenant_id, column.table, column.column, keys), value)
                    for keys, value in rows
                ]
                anew = await self._data_keys.reseal(connection, self._tenant_id, places)
                sealed = [
                    (keys, value)
                    for (keys, _), value in zip(rows, anew, strict=True)
                    if value is not None
                ]
                await store.put_resealed(connection, self._tenant_id, column, sealed)
            self.done += len(sealed)
            self.unreadable += [
                place for (place, _), value in zip(places, anew, strict=True) if value is None
            ]
            after = rows[-1][0]
            if sealed:
                self._report(Progress(self._tenant_id, self.done, max(self._total, self.done)))

    async def _left(self) -> int:
        """Count the values under older data keys."""
        left = 0
        for column, db in self._columns.items():
            async with db.tenant_transaction(self._tenant_id) as connection:
                counts = await store.count_by_version(connection, self._tenant_id, column)
            left += sum(rows for version, rows in counts.items() if version < self.version)
        return left

    async def _retired(self) -> bool:
        """Retire the older data keys that nothing refers to; return whether that was all."""
        needed = []
        for version in self._older:
            try:
                async with self._db.tenant_transaction(self._tenant_id) as connection:
                    await store.retire_data_key(connection, self._tenant_id, version)
            except psycopg.errors.ForeignKeyViolation:
                needed.append(version)
        self._older = needed
        self._data_keys.forget(self._tenant_id)
        return not needed


async def _living(db: Database) -> list[DataKeyState]:
    async with db.transaction() as connection:
        return [key for key in await store.list_data_keys(connection) if key.lives]


def _tenants(keys: Sequence[DataKeyState]) -> Mapping[str, list[DataKeyState]]:
    """Return the keys by tenant, oldest first: the last one of each seals."""
    found: dict[str, list[DataKeyState]] = {}
    for key in keys:
        found.setdefault(key.tenant_id, []).append(key)
    return found


def _place_of_key(tenant_id: str, version: int) -> Place:
    return Place(tenant_id, "data_key", "wrapped", (str(version),))
