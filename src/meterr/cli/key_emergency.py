"""``meterr key rotate-all`` and ``codes``: ending every key, and handing over what follows."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from meterr import identity
from meterr.cli import minting
from meterr.cli.asker import operator, with_asker
from meterr.cli.context import configuration, of_tenant, open_database, run, with_settings
from meterr.cli.output import Format, choose, note, write_list
from meterr.cli.times import Span, iso
from meterr.core.clock import SystemClock
from meterr.core.db import Database
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.identity.rotation import Asker, Handover, issue_codes, rotate_all
from meterr.identity.rotation.model import Emergency
from meterr.identity.rotation.plan import checked_valid

_CODES = ("tenant", "owner", "name", "key", "key_id", "successor_id", "expires_at", "code")
_STRUCK = ("tenant", "keys", "codes")
_valid = click.option(
    "--valid", type=Span(), default="7d", show_default=True, help="Life of the codes, at most 30d."
)
_csv = click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.command("rotate-all")
@with_settings
@click.option("--tenant", help="Tenant, by name.")
@click.option("--everything", is_flag=True, help="All tenants.")
@with_asker
@click.option("--dry-run", is_flag=True, help="Only count what would end.")
@click.option(
    "--grace", type=Span(), default="0s", show_default=True, help="How long the keys go on."
)
@_valid
@click.option("--no-codes", is_flag=True, help="Only end the keys; 'meterr key codes' comes later.")
@_csv
@_json
def rotate_all_command(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str | None,
    everything: bool,
    author: str,
    reason: str,
    dry_run: bool,
    grace: timedelta,
    valid: timedelta,
    no_codes: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """
    Emergency: end every active key of a tenant, or of all, at once and in every process.

    Then writes a one-time code for the successor of each key to standard output: the only time the
    codes are seen. Their owners collect the new keys with 'meterr key claim'. If the output is lost
    or cut, 'meterr key codes --emergency ID' makes new codes for what was not collected.

    No key ends on a host that could make no codes, without the pepper of the gateways for example:
    there use --no-codes.
    """
    format_ = choose(as_json=as_json, as_csv=as_csv)
    if (tenant is None) != everything:
        raise click.UsageError("Say --tenant NAME or --everything.")
    settings = configuration(config_file, data_dir).settings
    asker = operator(author, reason)
    checked_valid(valid)
    peppers = None if no_codes else run(_peppers(settings))  # told before any key ends
    names, done = run(_end_all(settings, tenant, asker, grace, dry_run=dry_run))
    if not dry_run:
        note(f"{done.keys} keys have ended: emergency {done.emergency_id}.")
    if done.codes:
        note(
            f"{done.codes} open codes from before {'would be' if dry_run else 'are'} over: 'meterr"
            " key codes' makes new ones, with --emergency and the id of theirs, or with --due."
        )
    if dry_run or peppers is None:
        _write_struck(done, names, format_)
        return
    ids = {each.tenant_id: names[each.tenant_id] for each in done.struck}
    _write(run(_codes(settings, peppers, ids, done.emergency_id, valid, asker)), ids, format_)


@click.command("codes")
@with_settings
@of_tenant
@click.option("--emergency", "emergency_id", help="Of keys that this emergency ended.")
@click.option("--due", is_flag=True, help="Of keys that are due by policy.")
@with_asker
@_valid
@_csv
@_json
def codes(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    emergency_id: str | None,
    due: bool,
    author: str,
    reason: str,
    valid: timedelta,
    as_csv: bool,
    as_json: bool,
) -> None:
    """
    Write one-time codes for successors that were not collected yet; earlier codes of them end.

    Who has a code collects the key with 'meterr key claim'.
    """
    format_ = choose(as_json=as_json, as_csv=as_csv)
    if (emergency_id is None) != due:
        raise click.UsageError("Say --emergency ID or --due.")
    settings = configuration(config_file, data_dir).settings
    ids = run(_tenant(settings, tenant))
    peppers, asker = run(_peppers(settings)), operator(author, reason)
    _write(run(_codes(settings, peppers, ids, emergency_id, valid, asker)), ids, format_)


def _write_struck(done: Emergency, names: dict[str, str], format_: Format) -> None:
    items = [
        {"tenant": names[each.tenant_id], "keys": each.keys, "codes": each.codes}
        for each in done.struck
    ]
    write_list(
        "meterr.key-emergency/1",
        items,
        _STRUCK,
        format_,
        keys=done.keys,
        codes=done.codes,
        emergency_id=done.emergency_id or None,
    )


def _write(found: Sequence[Handover], names: dict[str, str], format_: Format) -> None:
    items = [
        {
            "tenant": names[each.tenant_id],
            "owner": each.owner,
            "name": each.name,
            "key": f"…{each.last4}",
            "key_id": each.key_id,
            "successor_id": each.successor_id,
            "expires_at": iso(each.expires_at_ms),
            "code": each.code.reveal(),
        }
        for each in found
    ]
    note(f"{len(items)} codes. They are shown once; hand them over now.")
    write_list("meterr.key-codes/1", items, _CODES, format_)


async def _peppers(settings: Settings) -> identity.Keyring:
    async with open_database(settings) as db:
        return await minting.peppers(settings, db)


async def _tenant(settings: Settings, name: str) -> dict[str, str]:
    async with open_database(settings) as db:
        return {(await identity.find_tenant(db, name)).tenant_id: name}


async def _end_all(
    settings: Settings, tenant: str | None, asker: Asker, grace: timedelta, *, dry_run: bool
) -> tuple[dict[str, str], Emergency]:
    async with open_database(settings) as db:
        names = await _names(db, tenant)
        only = next(iter(names)) if tenant is not None else None
        done = await rotate_all(
            db, IdFactory(SystemClock()), tenant_id=only, asker=asker, grace=grace, dry_run=dry_run
        )
        if tenant is None:  # one may have been made meanwhile
            names = await _names(db, None)
    return names, done


async def _names(db: Database, tenant: str | None) -> dict[str, str]:
    if tenant is not None:
        return {(await identity.find_tenant(db, tenant)).tenant_id: tenant}
    return {each.tenant_id: each.name for each in await identity.list_tenants(db)}


async def _codes(
    settings: Settings,
    peppers: identity.Keyring,
    tenants: dict[str, str],
    emergency_id: str | None,
    valid: timedelta,
    asker: Asker,
) -> list[Handover]:
    clock = SystemClock()
    found: list[Handover] = []
    async with open_database(settings) as db:
        for tenant_id in tenants:
            pages = issue_codes(
                db,
                peppers,
                IdFactory(clock),
                clock,
                tenant_id,
                emergency_id=emergency_id,
                valid=valid,
                asker=asker,
            )
            async for page in pages:
                found += page
    return found
