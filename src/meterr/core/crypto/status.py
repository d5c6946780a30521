"""How much depends on each key: what may be taken away, and what may not."""

from collections import Counter
from collections.abc import Mapping, Sequence

from meterr.core.crypto import store
from meterr.core.crypto.keys import KeyEncryptionKeys
from meterr.core.crypto.model import DataKeyState, KeyUse, KnownKey
from meterr.core.crypto.sealed_column import SealedColumn
from meterr.core.db import Database


async def key_uses(
    db: Database, keys: KeyEncryptionKeys | None, columns: Mapping[SealedColumn, Database]
) -> list[KeyUse]:
    """
    Return a line for every key-encryption key and every data key, with the number of its uses.

    ``columns`` has each column with the database seen as a role that may read it.
    States of the former: current, previous, retired; missing (in use and not configured here),
    wrong (configured here is another key of that name), unused (configured and never used).
    States of the latter: current, old, retired.
    """
    async with db.transaction() as connection:
        known = await store.list_key_encryption_keys(connection)
        states = await store.list_data_keys(connection)
    lines = _of_key_encryption_keys(keys, known, states)
    for tenant_id in dict.fromkeys(state.tenant_id for state in states):
        own = [state for state in states if state.tenant_id == tenant_id]
        counts = await _counts(columns, tenant_id)
        sealing = max((state.version for state in own if state.lives), default=0)
        lines += [
            KeyUse(
                "data key",
                tenant_id,
                str(state.version),
                _state(state, sealing),
                counts[state.version],
            )
            for state in own
        ]
    return lines


async def _counts(columns: Mapping[SealedColumn, Database], tenant_id: str) -> Counter[int]:
    """Return how many of a tenant's values are under each version of its data key."""
    counts: Counter[int] = Counter()
    for column, db in columns.items():
        async with db.tenant_transaction(tenant_id) as connection:
            counts.update(await store.count_by_version(connection, tenant_id, column))
    return counts


def _of_key_encryption_keys(
    keys: KeyEncryptionKeys | None, known: Sequence[KnownKey], states: Sequence[DataKeyState]
) -> list[KeyUse]:
    configured = {} if keys is None else {key.kid: key for key in keys}
    current = None if keys is None else keys.current.kid
    lines = []
    for key in known:
        here = configured.pop(key.kek_id, None)
        if key.retired:
            state = "retired"
        elif here is None:
            state = "missing"
        elif here.verifier != key.verifier:
            state = "wrong"
        else:
            state = "current" if key.kek_id == current else "previous"
        uses = sum(state.kek_id == key.kek_id for state in states)
        lines.append(KeyUse("key-encryption key", "", key.kek_id, state, uses))
    return lines + [KeyUse("key-encryption key", "", kid, "unused", 0) for kid in configured]


def _state(key: DataKeyState, sealing: int) -> str:
    if key.retired:
        return "retired"
    return "current" if key.version == sealing else "old"
