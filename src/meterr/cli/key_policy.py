"""``meterr key policy``: how old keys may get."""

from datetime import timedelta
from pathlib import Path

import click

from meterr import identity
from meterr.cli.asker import with_author
from meterr.cli.context import configuration, of_tenant, open_database, run, with_settings
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import Span
from meterr.core.clock import SystemClock
from meterr.core.settings import Settings
from meterr.identity.rotation import RotationPolicy, end_policy, list_policies, set_policy

_COLUMNS = ("tenant", "key_id", "max_age", "notice", "grace", "author")
_of_key = click.option("--key", "key_id", help="Only this key and its line [default: all keys].")


@click.group("policy")
def policy() -> None:
    """Set, list and end how old keys may get."""


@policy.command("set")
@with_settings
@of_tenant
@_of_key
@click.option("--max-age", type=Span(), required=True, help="When a key is to be replaced.")
@click.option("--notice", type=Span(), default="14d", show_default=True, help="Told so long ahead.")
@click.option(
    "--grace", type=Span(), default="7d", show_default=True, help="A key ends so long after."
)
@with_author
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    key_id: str | None,
    max_age: timedelta,
    notice: timedelta,
    grace: timedelta,
    author: str,
) -> None:
    """
    Set how old the keys of a tenant may get; a policy of one key comes before the tenant's.

    Keys that are due are told in the log (key_due) and in 'meterr key list --json'. Rotate them, or
    hand their successors over with 'meterr key codes --due': after the grace they end either way.
    """
    settings = configuration(config_file, data_dir).settings
    wanted = RotationPolicy(key_id, max_age, notice, grace, author)
    run(_set(settings, tenant, wanted))
    note("The policy is set; keys are looked at every ten minutes.")


@policy.command("list")
@with_settings
@of_tenant
@click.option("--json", "as_json", is_flag=True, help="Write JSON; times in seconds.")
def list_(config_file: Path | None, data_dir: Path | None, tenant: str, as_json: bool) -> None:
    """List the policies in force."""
    settings = configuration(config_file, data_dir).settings
    items = [
        {
            "tenant": tenant,
            "key_id": each.key_id,
            "max_age": int(each.max_age.total_seconds()) if as_json else str(each.max_age),
            "notice": int(each.notice.total_seconds()) if as_json else str(each.notice),
            "grace": int(each.grace.total_seconds()) if as_json else str(each.grace),
            "author": each.author,
        }
        for each in run(_list(settings, tenant))
    ]
    write_list("meterr.key-policies/1", items, _COLUMNS, choose(as_json=as_json))


@policy.command("end")
@with_settings
@of_tenant
@_of_key
@with_author
def end(
    config_file: Path | None, data_dir: Path | None, tenant: str, key_id: str | None, author: str
) -> None:
    """End a policy; keys that were due are due no longer."""
    settings = configuration(config_file, data_dir).settings
    run(_end(settings, tenant, key_id, author))
    note("The policy has ended.")


async def _set(settings: Settings, tenant: str, wanted: RotationPolicy) -> None:
    async with open_database(settings) as db:
        tenant_id = (await identity.find_tenant(db, tenant)).tenant_id
        await set_policy(db, SystemClock(), tenant_id, wanted)


async def _list(settings: Settings, tenant: str) -> list[RotationPolicy]:
    async with open_database(settings) as db:
        return await list_policies(db, (await identity.find_tenant(db, tenant)).tenant_id)


async def _end(settings: Settings, tenant: str, key_id: str | None, author: str) -> None:
    async with open_database(settings) as db:
        tenant_id = (await identity.find_tenant(db, tenant)).tenant_id
        await end_policy(db, SystemClock(), tenant_id, key_id, author)
