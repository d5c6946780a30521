"""``--dry-run``: what a rule would have refused, from the ledger, nothing written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from meterr import identity
from meterr.cli.context import open_database
from meterr.cli.names import key_names
from meterr.cli.output import Format, note, write_list
from meterr.core.db import Database
from meterr.core.limits import Holder
from meterr.core.money import shown, wire
from meterr.core.settings import Settings
from meterr.identity.authorisation import matches_in_any_case
from meterr.identity.model import KeyRecord
from meterr.ledger.limits import NewLimit
from meterr.ledger.replay import Replay, Rule, replay
from meterr.ledger.report import Entry

_COLUMNS = ("tenant", "model", "key", "calls", "refused", "refused_usd")
_SHOWN = 10


class Replayed(NamedTuple):
    """A replay and what its ids mean."""

    tenant: str
    since: datetime
    until: datetime
    names: dict[str, str]
    found: Replay


async def replayed(
    settings: Settings, tenant_name: str, new: NewLimit, back: timedelta
) -> Replayed:
    """Replay the last ``back`` of a tenant's calls against ``new``, whose terms are sound."""
    until = datetime.now(UTC)
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        new = await _of_line(db, tenant.tenant_id, new)
        rule = Rule(
            limit=new,
            time_zone=tenant.time_zone,
            concerns=await _concerns(db, tenant.tenant_id, new),
        )
        found = await replay(db, tenant.tenant_id, rule, since=until - back, until=until)
        names = await key_names(db, tenant.tenant_id)
    return Replayed(tenant.name, until - back, until, names, found)


def tell(done: Replayed, format_: Format) -> None:
    """Write the calls by model and key, most refusals first; then the first refusals."""
    money = shown if format_ is Format.AUTO else wire
    names, found = done.names, done.found
    items = [
        {
            "tenant": done.tenant,
            "model": model,
            "key": names.get(key, key),
            "key_id": key,
            "calls": group.calls,
            "refused": group.refused,
            "refused_usd": money(group.refused_usd),
        }
        for (model, key), group in sorted(
            found.groups.items(), key=lambda pair: (-pair[1].refused, pair[0])
        )
    ]
    first = [_refusal(entry, names) for entry in found.first]
    beside = {
        "since": done.since.isoformat(),
        "until": done.until.isoformat(),
        "calls": found.calls,
        "refused": found.refused,
        "unpriced": found.unpriced,
        "first_refused": first,
    }
    write_list("meterr.dry-run/1", items, _COLUMNS, format_, **beside)
    if format_ is not Format.AUTO:
        return
    note(f"{found.refused} of {found.calls} calls would have been refused; nothing was written.")
    if found.unpriced:
        note(f"{found.unpriced} have no known price: a hard budget refuses such calls outright.")
    for each in first[:_SHOWN]:
        note(f"  {each['at']}  {each['id']}  {each['model']}  {each['key']}")


def _refusal(entry: Entry, names: dict[str, str]) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "model": entry.model,
        "key": names.get(entry.key, entry.key),
        "key_id": entry.key,
        "cost_usd": None if entry.cost_usd is None else wire(entry.cost_usd),
    }


async def _concerns(db: Database, tenant_id: str, new: NewLimit) -> Callable[[Entry], bool]:
    keys = await _keys_of(db, tenant_id, new)

    def concerns(entry: Entry) -> bool:
        return (keys is None or entry.key in keys) and (
            not new.model or matches_in_any_case(new.model, entry.model)
        )

    return concerns


async def _keys_of(db: Database, tenant_id: str, new: NewLimit) -> frozenset[str] | None:
    if new.holder not in (Holder.KEY, Holder.OWNER):
        return None
    records = await _records(db, tenant_id)
    if new.holder is Holder.OWNER:
        return frozenset(each.key_id for each in records if each.owner == new.subject)
    line = frozenset(each.key_id for each in records if each.first_key_id == new.subject)
    return line | {new.subject}


async def _of_line(db: Database, tenant_id: str, new: NewLimit) -> NewLimit:
    """Return the limit as it would be stored: of a key, with its line's first key."""
    if new.holder is not Holder.KEY:
        return new
    lines = {each.key_id: each.first_key_id for each in await _records(db, tenant_id)}
    return msgspec.structs.replace(new, subject=lines.get(new.subject, new.subject))


async def _records(db: Database, tenant_id: str) -> list[KeyRecord]:
    records: list[KeyRecord] = []
    after: str | None = None
    while True:
        page = await identity.list_keys(db, tenant_id, after=after, limit=200)
        records += page.keys
        after = page.after
        if after is None:
            return records
