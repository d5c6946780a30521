"""``meterr key``: API keys of a tenant."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from meterr import identity
from meterr.cli import minting
from meterr.cli.asker import with_author
from meterr.cli.context import (
    chosen_tenants,
    configuration,
    of_tenant,
    open_database,
    run,
    with_settings,
)
from meterr.cli.key_change import update
from meterr.cli.key_emergency import codes, rotate_all_command
from meterr.cli.key_item import COLUMNS, key_item
from meterr.cli.key_leaks import leaked
from meterr.cli.key_policy import policy
from meterr.cli.key_rotation import callers, claim, peppers, rotate
from meterr.cli.output import choose, note, write_list
from meterr.cli.owner import owner_account
from meterr.cli.times import Span
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.principal import MODEL_SCOPES
from meterr.core.settings import Settings
from meterr.identity.changes import Revoked, revoke_of_author, revoke_with_made
from meterr.identity.model import NewKey

_OWNER_HELP = (
    "Who answers for it; budgets may hold all their keys. With the e-mail address of a member, the "
    "key stops working when they are disabled or leave the tenant."
)
_UNDER_HELP = (
    "A key of the tenant that this one never exceeds: name only terms that it has, too. Losing a "
    "scope it takes it from this one; see 'meterr key revoke --with-descendants'."
)


@click.group("key")
def command() -> None:
    """Create, list, change, rotate and revoke API keys."""


command.add_command(update)
command.add_command(rotate)
command.add_command(callers)
command.add_command(claim)
command.add_command(rotate_all_command)
command.add_command(codes)
command.add_command(policy)
command.add_command(peppers)
command.add_command(leaked)


@command.command("create")
@with_settings
@of_tenant
@click.option("--name", required=True, help="What the key is for; shown in lists and reports.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="chat, embeddings, models; query, to read calls and costs [default: the first three].",
)
@click.option("--model", "models", multiple=True, help="Allowed model or pattern [default: any].")
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Where calls may come from, e.g. 192.0.2.0/24 or 2001:db8::/32 [default: anywhere].",
)
@click.option("--expires-in", type=Span(), help="Life of the key, e.g. 90d [default: no end].")
@click.option("--owner", default="", help=_OWNER_HELP)
@click.option("--under", metavar="KEY_ID", help=_UNDER_HELP)
@click.option(
    "--output-tokens-default",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most output tokens of calls that set no bound themselves, for budgets [default: none].",
)
@click.option(
    "--send-output-default", is_flag=True, help="Send that bound to the provider with such calls."
)
@click.option("--test", "is_test", is_flag=True, help="Make a test key (sk-meterr_test_...).")
@with_author
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def create(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    networks: tuple[str, ...],
    expires_in: timedelta | None,
    owner: str,
    under: str | None,
    output_tokens_default: int | None,
    send_output_default: bool,
    is_test: bool,
    author: str,
    as_json: bool,
) -> None:
    """
    Create a key and write it to standard output: the only time it can be seen.

    Everything else goes to standard error, so the output can be piped.
    """
    settings = configuration(config_file, data_dir).settings
    environment = identity.Environment.TEST if is_test else identity.Environment.LIVE
    terms = {
        "name": name,
        "scopes": scopes or MODEL_SCOPES,
        "models": models or None,
        "networks": networks or None,
        "owner": owner,
        "created_by": under,
        "output_tokens_default": output_tokens_default,
        "send_output_default": send_output_default,
        "author": author,
    }
    created = run(_create(settings, tenant, expires_in, environment, terms))
    secret = created.secret.presented.decode()
    if as_json:
        item = {**key_item(created.record, tenant), "secret": secret}
        write_list("meterr.keys/1", [item], COLUMNS, choose(as_json=True))
        return
    note(f"Key {created.record.key_id} for tenant {tenant}. It is shown once; store it now.")
    click.echo(secret)


@command.command("list")
@with_settings
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(
    config_file: Path | None, data_dir: Path | None, tenant: str | None, as_json: bool
) -> None:
    """List keys, newest first, revoked ones included."""
    settings = configuration(config_file, data_dir).settings
    items = run(_list(settings, tenant))
    write_list("meterr.keys/1", items, ("tenant", *COLUMNS), choose(as_json=as_json))


@command.command("revoke")
@with_settings
@of_tenant
@click.argument("key_id", required=False)
@click.option(
    "--made-by", "author", help="Instead of KEY_ID: every key of this author, as lists say it."
)
@click.option(
    "--with-descendants", is_flag=True, help="Also every key that it, or one of those, has made."
)
def revoke(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    key_id: str | None,
    author: str | None,
    with_descendants: bool,
) -> None:
    """
    Revoke the key KEY_ID at once, in every process. There is no way back.

    Keys that it has made go on, unless --with-descendants says otherwise: for a key that somebody
    else may have had. With --made-by: all keys that somebody asked for who should not have been
    able to, and what those made.
    """
    if (key_id is None) == (author is None):
        raise click.UsageError("Say one key, or --made-by AUTHOR.")
    settings = configuration(config_file, data_dir).settings
    if key_id is None:
        ended = run(_revoke_made_by(settings, tenant, str(author)))
        note(f"{len(ended)} keys that {author} had made are revoked.")
        return
    done = run(_revoke(settings, tenant, key_id, with_descendants=with_descendants))
    note(f"Key {done.key.key_id} ({done.key.name}) is revoked.")
    for made in done.made:
        note(f"Key {made}, which it had made, is revoked.")


async def _create(
    settings: Settings,
    tenant_name: str,
    expires_in: timedelta | None,
    environment: identity.Environment,
    terms: Mapping[str, Any],
) -> NewKey:
    clock = SystemClock()
    expires_at_ms = None
    if expires_in is not None:
        expires_at_ms = clock.unix_ms() + int(expires_in.total_seconds() * 1000)
    member = await owner_account(settings, terms["owner"])
    owned = {} if member is None else {"owner": member.email, "owner_user_id": member.user_id}
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        return await identity.create_key(
            db,
            await minting.peppers(settings, db),
            IdFactory(clock),
            clock,
            tenant.tenant_id,
            expires_at_ms=expires_at_ms,
            environment=environment,
            **{**terms, **owned},
        )


async def _list(settings: Settings, tenant_name: str | None) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    async with open_database(settings) as db:
        for tenant in await chosen_tenants(db, tenant_name):
            after: str | None = None
            while True:
                page = await identity.list_keys(db, tenant.tenant_id, after=after)
                items += [key_item(record, tenant.name) for record in page.keys]
                after = page.after
                if after is None:
                    break
    return items


async def _revoke_made_by(settings: Settings, tenant_name: str, author: str) -> tuple[str, ...]:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        return await revoke_of_author(db, tenant.tenant_id, author)


async def _revoke(
    settings: Settings, tenant_name: str, key_id: str, *, with_descendants: bool
) -> Revoked:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, tenant_name)
        if with_descendants:
            return await revoke_with_made(db, tenant.tenant_id, key_id)
        return Revoked(await identity.revoke_key(db, tenant.tenant_id, key_id), ())
