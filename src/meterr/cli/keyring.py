"""``meterr keyring``: the keys that stored secrets are encrypted under."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from meterr import identity
from meterr.app import encryption
from meterr.app.sealed_columns import open_sealed_columns
from meterr.cli.context import configuration, database_url, open_database, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.core.clock import SystemClock
from meterr.core.crypto import (
    DataKeys,
    KeyEncryptionKeys,
    Place,
    Progress,
    Rotated,
    key_uses,
    retire_key_encryption_keys,
    rewrap_data_keys,
    rotate_data_keys,
)
from meterr.core.db import Database
from meterr.core.settings import Settings

_COLUMNS = ("kind", "tenant", "key_id", "state", "uses")
_BAD_STATES = ("missing", "wrong")
_OURS = "00000000-0000-0000-0000-000000000000"


@click.group("keyring")
def command() -> None:
    """Make, count and change the keys that stored secrets are encrypted under."""


@command.command("new")
@click.option("--name", help="Name of the key, 1 to 32 of a-z 0-9 - _ [default: from the date].")
def new(name: str | None) -> None:
    """
    Write a new key-encryption key to standard output, for METERR_KEY_ENCRYPTION_KEY_FILE.

    It is stored nowhere: without it, what is encrypted under it cannot be read again.
    """
    click.echo(encryption.new_key(SystemClock(), name).text())


@command.command("status")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def status(config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """
    Count what depends on each key-encryption key and each tenant's data keys.

    Exit 3 when a key is in use that is not configured here, or another one of its name is.
    """
    settings = configuration(config_file, data_dir).settings
    items = run(_status(settings))
    write_list("meterr.keyring/1", items, _COLUMNS, choose(as_json=as_json))
    bad = any(item["state"] in _BAD_STATES and item["uses"] for item in items)
    return Exit.FINDINGS if bad else Exit.OK


@command.command("rotate")
@with_settings
@click.option("--data-keys", is_flag=True, help="Also give every tenant a new data key.")
def rotate(config_file: Path | None, data_dir: Path | None, data_keys: bool) -> int:
    """
    Move everything to the current key-encryption key while meterr runs; old ones then retire.

    Keys in settings: set the new one as current and the old one as previous on every host first.
    The key file of 'meterr up' gets its new key here. With --data-keys all stored secrets are
    encrypted anew as well. Backups from before need the old keys: keep them as long. Safe to kill
    and to run again: it goes on where it was. Exit 3 when something is left under an old key; a
    value that cannot be read is named and holds up no other.
    """
    settings = configuration(config_file, data_dir).settings
    encryption.required(settings)
    with encryption.rotating(settings):
        keys = encryption.begin_rotation(settings, SystemClock())
        left = run(_rotate(settings, keys, with_data_keys=data_keys))
    return Exit.FINDINGS if left else Exit.OK


async def _status(settings: Settings) -> list[dict[str, object]]:
    keys = encryption.configured(settings)
    async with (
        open_database(settings) as db,
        open_sealed_columns(database_url(settings)) as columns,
    ):
        uses = await key_uses(db, keys, columns)
        names = {each.tenant_id: each.name for each in await identity.list_tenants(db)}
    return [{**asdict(use), "tenant": names.get(use.tenant_id, use.tenant_id)} for use in uses]


async def _rotate(settings: Settings, keys: KeyEncryptionKeys, *, with_data_keys: bool) -> bool:
    """Return whether anything is left under an old key."""
    data_keys = DataKeys(keys, SystemClock())
    left = False
    async with (
        open_database(settings) as db,
        open_sealed_columns(database_url(settings)) as columns,
    ):
        names = {each.tenant_id: each.name for each in await identity.list_tenants(db)}
        rewrapped = await rewrap_data_keys(db, data_keys)
        note(f"Data keys wrapped anew under {keys.current.kid}: {rewrapped.keys}.")
        _tell_unreadable(rewrapped.unreadable, names)
        if with_data_keys:
            rotated = await rotate_data_keys(db, data_keys, columns, _tell)
            left = _told(rotated, names)
        return await _retire(settings, db, keys) or left


async def _retire(settings: Settings, db: Database, keys: KeyEncryptionKeys) -> bool:
    retired = await retire_key_encryption_keys(db, keys.current.kid)
    encryption.end_rotation(settings, keys, retired)
    uses = await key_uses(db, keys, {})
    kept = "keep it as long as those, apart from them"
    if settings.key_encryption_key is None:
        kept = f"it is kept in {encryption.retired_file(settings)}"
    for kid in sorted({key.kid for key in keys.previous} & set(retired)):
        note(f"The key {kid} is retired: nothing is under it, and nothing will be.")
        note(f"Backups from before now need {kid}: {kept}.")
    waiting = [use for use in uses if use.state in ("previous", *_BAD_STATES) and use.uses]
    for use in waiting:
        note(f"The key {use.key_id} stays: {use.uses} data keys are still under it.")
    return bool(waiting)


def _tell(progress: Progress) -> None:
    note(f"{progress.tenant_id}: {progress.done} of {progress.total} values encrypted anew.")


def _told(rotated: Rotated, names: Mapping[str, str]) -> bool:
    note(f"New data keys for {rotated.tenants} tenants, {rotated.values} values encrypted anew.")
    _tell_unreadable(rotated.unreadable, names)
    if rotated.unfinished:
        again = "" if rotated.unreadable else "; run this again"
        note(f"{rotated.unfinished} tenants still have values under an old key{again}.")
    return bool(rotated.unfinished)


def _tell_unreadable(places: Sequence[Place], names: Mapping[str, str]) -> None:
    for place in places:
        whose = "meterr itself" if place.tenant_id == _OURS else f"tenant {place.tenant_id}"
        named = f" ({names[place.tenant_id]})" if place.tenant_id in names else ""
        note(
            f"Cannot be read, and stays under its old key: {whose}{named}, table {place.table},"
            f" column {place.column}, row {'/'.join(place.row)}."
        )
    if places:
        note("Set what these rows hold anew, or remove it; nothing else waits for them.")
