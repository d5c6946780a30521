"""How much depends on each key: what may be taken away, and what may not."""

from collections.abc import Sequence

from meterr.core.crypto import store
from meterr.core.crypto.errors import Unreadable
from meterr.core.crypto.keys import KeyEncryptionKeys
from meterr.core.crypto.model import DataKeyState, KeyUse, KnownKey, WrappedKey
from meterr.core.crypto.sealed_column import SealedColumn
from meterr.core.crypto.wrapping import unwrap
from meterr.core.db import Database


async def key_uses(
    db: Database, keys: KeyEncryptionKeys | None, columns: Sequence[SealedColumn]
) -> list[KeyUse]:
    """
    Return a line for every key-encryption key and every data key, with the number of its uses.

    States of the former: current, previous, retired; missing (in use and not configured here),
    wrong (configured here is another key of that name), unused (configured and never used).
    States of the latter: current, old, retired, shredded.
    """
    async with db.transaction() as connection:
        known = await store.list_key_encryption_keys(connection)
        states = await store.list_data_keys(connection)
    lines = _of_key_encryption_keys(keys, known, states)
    for tenant_id in dict.fromkeys(state.tenant_id for state in states):
        own = [state for state in states if state.tenant_id == tenant_id]
        counts: dict[int, int] = {}
        async with db.tenant_transaction(tenant_id) as connection:
            for column in columns:
                found = await store.count_by_version(connection, tenant_id, column)
                for version, rows in found.items():
                    counts[version] = counts.get(version, 0) + rows
        sealing = max((state.version for state in own if state.lives), default=0)
        lines += [
            KeyUse(
                "data key",
                tenant_id,
                str(state.version),
                _state(state, sealing),
                counts.get(state.version, 0),
            )
            for state in own
        ]
    return lines


async def unreadable_data_keys(db: Database, keys: KeyEncryptionKeys) -> int:
    """Try to unwrap every data key whose key-encryption key is here; return how many fail."""
    failed = 0
    async with db.transaction() as connection:
        states = await store.list_data_keys(connection)
    here = {key.kid for key in keys}
    for state in states:
        if state.kek_id not in here:
            continue
        async with db.tenant_transaction(state.tenant_id) as connection:
            stored = await store.read_data_key(connection, state.tenant_id, state.version)
        failed += stored is not None and not _opens(stored, keys, state.tenant_id)
    return failed


def _opens(stored: WrappedKey, keys: KeyEncryptionKeys, tenant_id: str) -> bool:
    try:
        unwrap(stored.wrapped, keys.named(stored.kek_id), tenant_id, stored.version)
    except Unreadable:
        return False
    return True


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
    if key.shredded:
        return "shredded"
    return "current" if key.version == sealing else "old"
