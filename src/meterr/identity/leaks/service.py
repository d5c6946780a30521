"""What to do about keys that were found where they do not belong."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterr.core import events
from meterr.core.db import Database
from meterr.core.principal import Principal
from meterr.identity import store
from meterr.identity.api_key import display, parse
from meterr.identity.changes import Revoked, revoke_made, revoke_with_made
from meterr.identity.keyring import Keyring
from meterr.identity.leaks.scan import scan
from meterr.identity.model import KeyState, VerifiedKey
from meterr.identity.notices import tell_keepers

BATCH_KEYS = 1_000


class Fate(StrEnum):
    """What became of a key that leaked."""

    REVOKED = "revoked"
    WOULD_BE_REVOKED = "would be revoked"
    WAS_REVOKED = "was revoked before"
    UNKNOWN = "unknown"  # made by us or somebody else, and in no table of this database


@dataclass(frozen=True, slots=True)
class Leak:
    """
    One leaked key, whatever number of times it was found. Never its text.

    ``made`` is how many keys that it had made end with it.
    """

    shown: str
    fate: Fate
    occurrences: int
    tenant_id: str = ""
    key_id: str = ""
    name: str = ""
    made: int = 0


async def revoke_leaked(
    db_auth: Database,
    db: Database,
    keyring: Keyring,
    chunks: Iterable[bytes],
    *,
    dry_run: bool = False,
) -> list[Leak]:
    """
    Revoke every active key of ours in a text, with the keys that those made, and return all of it.

    Whoever had a key could make others with it, so those end also when the key itself was revoked
    before. Each key is revoked in a transaction of its own. ``db_auth`` acts as Role.AUTH, the one
    role that may ask whose a key is; ``db`` as Role.APP. With ``dry_run`` nothing is revoked.
    """
    times = Counter(key.presented for key in scan(chunks))
    leaks = await revoke_found(db_auth, db, keyring, times, dry_run=dry_run)
    return list(leaks.values())


async def revoke_found(
    db_auth: Database,
    db: Database,
    keyring: Keyring,
    times: Mapping[bytes, int],
    *,
    dry_run: bool = False,
) -> dict[bytes, Leak]:
    """
    Do as ``revoke_leaked`` with keys that a scan found; ``times`` says how often each was found.

    However often that is, a key is one leak: one event, and one letter. Returns each by its text.
    """
    leaks: dict[bytes, Leak] = {}
    texts = list(times)
    for at in range(0, len(texts), BATCH_KEYS):
        batch = {text: times[text] for text in texts[at : at + BATCH_KEYS]}
        leaks |= await _judge(db_auth, db, keyring, batch, dry_run)
    return leaks


async def _judge(
    db_auth: Database, db: Database, keyring: Keyring, times: dict[bytes, int], dry_run: bool
) -> dict[bytes, Leak]:
    text_of = {mac: text for text in times for mac in keyring.macs(text)}
    async with db_auth.transaction() as connection:
        found = await store.read_keys(connection, list(text_of))
    leaks = {}
    for key in found:
        text = text_of[key.mac]
        fate = Fate.WAS_REVOKED
        if key.key_state is KeyState.ACTIVE:
            fate = Fate.WOULD_BE_REVOKED if dry_run else Fate.REVOKED
        if not dry_run:
            await _record(db, key.principal, times[text], was_active=fate is Fate.REVOKED)
        done = await _revoked(db, key, fate, dry_run=dry_run)
        tenant_id, key_id = key.principal.tenant_id, key.principal.key_id
        name, made = done.key.name, len(done.made)
        leaks[text] = Leak(_shown(text), fate, times[text], tenant_id, key_id, name, made)
    strangers = [text for text in times if text not in leaks]
    return leaks | {text: Leak(_shown(text), Fate.UNKNOWN, times[text]) for text in strangers}


async def _revoked(db: Database, key: VerifiedKey, fate: Fate, *, dry_run: bool) -> Revoked:
    tenant_id, key_id = key.principal.tenant_id, key.principal.key_id
    if fate is Fate.REVOKED:
        return await revoke_with_made(db, tenant_id, key_id)
    found = await revoke_with_made(db, tenant_id, key_id, dry_run=True)
    if dry_run:
        return found
    # An emergency may have ended the key itself, whose owner still gets the next one.
    return Revoked(found.key, await revoke_made(db, tenant_id, key_id))


async def _record(db: Database, key: Principal, occurrences: int, *, was_active: bool) -> None:
    """Record that a key leaked and tell its keepers, before it is revoked: none is missed."""
    event = events.Event(
        events.Kind.KEY_LEAKED,
        key.tenant_id,
        events.acting_source(),
        events.Target(events.TargetKind.KEY, key.key_id),
        {"occurrences": occurrences, "was_active": was_active},
    )
    async with db.tenant_transaction(key.tenant_id) as connection:
        recorded = await events.record(connection, event)
        await tell_keepers(connection, recorded, [key.key_id])


def _shown(text: bytes) -> str:
    key = parse(text)
    return "" if key is None else display(key.environment, key.last4)
