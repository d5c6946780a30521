"""Rotating one key, and collecting a successor that waits: one function, one transaction."""

import os
from collections.abc import Callable
from datetime import timedelta

from meterr.core.clock import Clock
from meterr.core.db import Connection, Database
from meterr.core.errors import MeterrError, NotFound
from meterr.core.ids import IdFactory
from meterr.identity import store as keys
from meterr.identity.api_key import mint
from meterr.identity.grants import require_scopes
from meterr.identity.keyring import Keyring
from meterr.identity.model import KeyRecord, NewKey
from meterr.identity.rotation import store
from meterr.identity.rotation.claim_code import parse_code
from meterr.identity.rotation.errors import CodeRefused
from meterr.identity.rotation.model import Asker, Kind, Rotated
from meterr.identity.rotation.plan import Plan, checked_asker, checked_grace, may_hand_over, plan
from meterr.identity.terms import is_uuid


async def rotate_key(
    db: Database,
    keyring: Keyring,
    ids: IdFactory,
    clock: Clock,
    tenant_id: str,
    key_id: str,
    *,
    grace: timedelta,
    asker: Asker,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Rotated:
    """
    Give a key a successor with the same terms; both count for ``grace`` (0 to 90 days).

    The old key ends by the clock of each process, never past its own expiry, which the new one
    keeps. What limits hold the old key to holds both together: a line of keys draws from one
    window. With a grace of 0 the old key is revoked in the same transaction. A code that the
    successor could have been collected with ends.

    Raises:
        NotFound: no such key, or another tenant's.
        AlreadyRotated: it has a successor that counts; nothing changed. Of two at once, one wins.
        KeyEnded: it does not count any more.
        GrantExceeded: the asker may not hand on one of its scopes.
        Invalid: a grace or reason that cannot be meant.
    """
    asker, grace = checked_asker(asker), checked_grace(grace)
    if not (is_uuid(tenant_id) and is_uuid(key_id)):
        raise NotFound("There is no such key.")
    async with db.tenant_transaction(tenant_id) as connection:
        await keys.share_keys(connection)
        old = await _locked(connection, tenant_id, key_id)
        if asker.scopes is not None:
            require_scopes(asker.scopes, old.scopes)
        counts = await store.successor_counts(connection, tenant_id, key_id)
        decided = plan(old, successor_counts=counts, grace=grace, now_ms=clock.unix_ms())
        rotated = await _follow(
            connection, keyring, old, ids.new(), decided, Kind.ASKED, randomness
        )
        await store.insert_succession(
            connection, tenant_id, key_id, rotated.new.record.key_id, grace, asker
        )
        await keys.end_codes(connection, tenant_id, key_id)
    return rotated


async def collect(
    db: Database,
    keyring: Keyring,
    clock: Clock,
    code: str,
    *,
    randomness: Callable[[int], bytes] = os.urandom,
) -> Rotated:
    """
    Make the successor that ``code`` is for; return it with its secret, once, to who comes first.

    Raises CodeRefused with one text for whatever is wrong with the code or its key.
    """
    given = parse_code(code)
    if given is None:
        raise CodeRefused("malformed")
    macs = given.macs(keyring)
    async with db.transaction() as connection:
        found = await store.find_succession(connection, macs)
    if found is None:
        raise CodeRefused("unknown")
    tenant_id, successor_id = found
    now_ms = clock.unix_ms()
    async with db.tenant_transaction(tenant_id) as connection:
        await keys.share_keys(connection)
        # First the key and then its code, as everybody does: a revocation must not meet a deadlock.
        key_id = await store.awaiting_key(connection, tenant_id, successor_id)
        if key_id is None:
            raise CodeRefused("replaced")
        old = await _locked(connection, tenant_id, key_id)
        used = await store.use_code(connection, tenant_id, successor_id, macs, now_ms)
        if used is None:
            raise CodeRefused("used, expired or replaced")
        maker = used.made_by
        if maker and not may_hand_over(await store.role_of_member(connection, maker)):
            raise CodeRefused("made by somebody who may not any more")
        counts = await store.successor_counts(connection, tenant_id, key_id)
        kind = Kind(used.kind)
        try:
            decided = plan(
                old,
                successor_counts=counts,
                grace=used.grace,
                now_ms=now_ms,
                hurt=kind is Kind.EMERGENCY,
            )
        except MeterrError as error:
            raise CodeRefused(error.code) from None
        return await _follow(connection, keyring, old, successor_id, decided, kind, randomness)


async def _locked(connection: Connection, tenant_id: str, key_id: str) -> KeyRecord:
    """Return the key as it is once nobody else changes it."""
    record = None
    if await store.lock_key(connection, tenant_id, key_id):
        record = await keys.find_key(connection, tenant_id, key_id)
    if record is None:
        raise NotFound("There is no such key.")
    return record


async def _follow(
    connection: Connection,
    keyring: Keyring,
    old: KeyRecord,
    successor_id: str,
    decided: Plan,
    kind: Kind,
    randomness: Callable[[int], bytes],
) -> Rotated:
    """Store the successor and what becomes of ``old``; return both as they are now."""
    secret = mint(old.environment, randomness)
    successor = store.Successor(
        key_id=successor_id,
        mac=keyring.mac(secret.presented),
        pepper_id=keyring.current.id,
        last4=secret.last4,
    )
    await store.insert_successor(connection, old.tenant_id, old.key_id, successor)
    await store.replace_key(connection, old.tenant_id, old.key_id, successor_id, decided)
    became = await keys.find_key(connection, old.tenant_id, old.key_id)
    new = await keys.find_key(connection, old.tenant_id, successor_id)
    if became is None or new is None:
        raise NotFound("There is no such key.")
    return Rotated(kind=kind, old=became, new=NewKey(secret=secret, record=new))
