"""``meterr key update``: a key's terms, under the same secret."""

from datetime import timedelta
from pathlib import Path

import click

from meterr import identity
from meterr.cli.context import configuration, of_tenant, open_database, run, with_settings
from meterr.cli.key_item import COLUMNS, key_item
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import Span
from meterr.core.clock import SystemClock
from meterr.core.settings import Settings
from meterr.identity.changes import KEEP, Keep, KeyChange, change_key
from meterr.identity.model import KeyRecord
from meterr.identity.service import find_key


@click.command("update")
@with_settings
@of_tenant
@click.argument("key_id")
@click.option("--name", help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, help="These and no others.")
@click.option("--model", "models", multiple=True, help="These models or patterns and no others.")
@click.option("--any-model", is_flag=True, help="Every model.")
@click.option("--network", "networks", multiple=True, help="Calls from there and nowhere else.")
@click.option("--any-network", is_flag=True, help="Calls from anywhere.")
@click.option("--expires-in", type=Span(), help="Life of the key from now on, e.g. 90d.")
@click.option("--no-expiry", is_flag=True, help="No end.")
@click.option(
    "--if-version",
    type=click.IntRange(min=1),
    help="Change it only if it still has this version (see 'meterr key list --json').",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def update(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    key_id: str,
    name: str | None,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    any_model: bool,
    networks: tuple[str, ...],
    any_network: bool,
    expires_in: timedelta | None,
    no_expiry: bool,
    if_version: int | None,
    as_json: bool,
) -> None:
    """
    Change the terms of the key KEY_ID; what is not named stays. Every process acts on it at once.

    A key that has ended is not changed: no expiry brings it back. A key that another key made may
    become what that one may hand on, and no more. Each key of a line has terms of its own.
    """
    change = KeyChange(
        name=KEEP if name is None else name,
        scopes=scopes or KEEP,
        models=_chosen("model", models, lifted=any_model),
        networks=_chosen("network", networks, lifted=any_network),
        expires_at_ms=_end(expires_in, lifted=no_expiry),
    )
    if change == KeyChange():
        raise click.UsageError("Say what to change, e.g. --model or --expires-in.")
    settings = configuration(config_file, data_dir).settings
    record = run(_update(settings, tenant, key_id, change, if_version))
    note(f"Key {record.key_id} ({record.name}) is changed; its version is {record.version}.")
    write_list("meterr.keys/1", [key_item(record, tenant)], COLUMNS, choose(as_json=as_json))


def _chosen(word: str, named: tuple[str, ...], *, lifted: bool) -> tuple[str, ...] | Keep | None:
    if named and lifted:
        raise click.UsageError(f"--{word} and --any-{word} say two things.")
    return None if lifted else named or KEEP


def _end(expires_in: timedelta | None, *, lifted: bool) -> int | Keep | None:
    if expires_in is not None and lifted:
        raise click.UsageError("--expires-in and --no-expiry say two things.")
    if expires_in is None:
        return None if lifted else KEEP
    return SystemClock().unix_ms() + int(expires_in.total_seconds() * 1000)


async def _update(
    settings: Settings, tenant_name: str, key_id: str, change: KeyChange, if_version: int | None
) -> KeyRecord:
    async with open_database(settings) as db:
        tenant_id = (await identity.find_tenant(db, tenant_name)).tenant_id
        version = if_version
        if version is None:
            version = (await find_key(db, tenant_id, key_id)).version
        return await change_key(db, SystemClock(), tenant_id, key_id, change, version=version)
