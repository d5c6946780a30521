"""``meterr key rotate``, ``callers``, ``claim`` and ``peppers``: keys that follow each other."""

import sys
from datetime import timedelta
from pathlib import Path

import click

from meterr import identity
from meterr.app.gateway_process import keyring
from meterr.cli import minting
from meterr.cli.asker import operator, with_asker
from meterr.cli.context import configuration, of_tenant, open_database, run, with_settings
from meterr.cli.key_item import COLUMNS, key_item
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import Span, iso
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.identity.peppers import PepperUse, list_peppers
from meterr.identity.rotation import Asker, Rotated, collect, rotate_key
from meterr.identity.uses import CallerRecord, list_callers

_CALLERS = ("address", "user_agent", "calls", "first_at", "last_at")
_PEPPERS = ("pepper_id", "place", "keys", "codes", "sessions")


@click.command("rotate")
@with_settings
@of_tenant
@click.argument("key_id")
@click.option(
    "--grace",
    type=Span(),
    default="7d",
    show_default=True,
    help="How long the old key goes on, at most 90d; 0s revokes it at once.",
)
@with_asker
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def rotate(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    key_id: str,
    grace: timedelta,
    author: str,
    reason: str,
    as_json: bool,
) -> None:
    """
    Give the key KEY_ID a successor and write that to standard output: the only time it is seen.

    The successor has the same name, scopes, models, networks, limits and expiry. Both keys work
    until the grace is over; 'meterr key callers' shows who still uses the old one. A key is rotated
    once: a second time is an error that names the successor.
    """
    settings = configuration(config_file, data_dir).settings
    done = run(_rotate(settings, tenant, key_id, grace, operator(author, reason)))
    note(f"Key {done.old.key_id} counts until {iso(done.old.grace_until_ms)}.")
    _show(done, tenant, as_json=as_json)


@click.command("claim")
@with_settings
@click.argument("code")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def claim(config_file: Path | None, data_dir: Path | None, code: str, as_json: bool) -> None:
    """
    Collect the successor that CODE is for and write its key to standard output, once.

    CODE may be '-': then it is read from standard input, and no shell remembers it.
    """
    settings = configuration(config_file, data_dir).settings
    done = run(_claim(settings, sys.stdin.readline() if code == "-" else code))
    _show(done, None, as_json=as_json)


@click.command("callers")
@with_settings
@of_tenant
@click.argument("key_id")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def callers(
    config_file: Path | None, data_dir: Path | None, tenant: str, key_id: str, as_json: bool
) -> None:
    """
    List who still calls with the key KEY_ID since it is to be replaced, the last one first.

    At most 50 callers are kept; how often counts each time the key was checked. What was seen in
    the last seconds is not there yet.
    """
    settings = configuration(config_file, data_dir).settings
    found = run(_callers(settings, tenant, key_id))
    items = [
        {
            "address": each.address,
            "user_agent": each.user_agent,
            "calls": each.calls,
            "first_at": iso(each.first_at_ms),
            "last_at": iso(each.last_at_ms),
        }
        for each in found
    ]
    write_list("meterr.key-callers/1", items, _CALLERS, choose(as_json=as_json))


@click.command("peppers")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def peppers(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """
    Count what needs each pepper, by its id: keys, codes, sessions of people.

    A pepper that is not current may be taken out of the configuration once all counts are 0.
    """
    settings = configuration(config_file, data_dir).settings
    items = [
        {
            "pepper_id": use.pepper_id,
            "place": use.place or "not configured",
            "keys": use.keys,
            "codes": use.codes,
            "sessions": use.sessions,
        }
        for use in run(_peppers(settings))
    ]
    write_list("meterr.peppers/1", items, _PEPPERS, choose(as_json=as_json))


def _show(done: Rotated, tenant: str | None, *, as_json: bool) -> None:
    secret = done.new.secret.reveal()
    if as_json:
        item = {**key_item(done.new.record, tenant), "follows": done.old.key_id, "secret": secret}
        write_list("meterr.keys/1", [item], COLUMNS, choose(as_json=True))
        return
    note(
        f"Key {done.new.record.key_id} ({done.new.record.name}) follows {done.old.key_id}. It is"
        " shown once; store it now."
    )
    click.echo(secret)


async def _rotate(
    settings: Settings, tenant_name: str, key_id: str, grace: timedelta, asker: Asker
) -> Rotated:
    clock = SystemClock()
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        return await rotate_key(
            db,
            await minting.peppers(settings, db),
            IdFactory(clock),
            clock,
            tenant.tenant_id,
            key_id,
            grace=grace,
            asker=asker,
        )


async def _claim(settings: Settings, code: str) -> Rotated:
    async with open_database(settings) as db:
        return await collect(db, await minting.peppers(settings, db), SystemClock(), code)


async def _callers(settings: Settings, tenant_name: str, key_id: str) -> tuple[CallerRecord, ...]:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        return await list_callers(db, tenant.tenant_id, key_id)


async def _peppers(settings: Settings) -> list[PepperUse]:
    async with open_database(settings) as db:
        return await list_peppers(db, keyring(settings))
