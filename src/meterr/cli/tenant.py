"""``meterr tenant``: the units of isolation."""

from pathlib import Path

import click

from meterr import identity
from meterr.cli.context import configuration, open_database, run, with_settings
from meterr.cli.output import Format, choose, write_list
from meterr.cli.times import iso
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.principal import UnknownPrice
from meterr.core.settings import Settings
from meterr.identity.model import Tenant, TenantState
from meterr.identity.service import change_tenant

_COLUMNS = ("name", "tenant_id", "state", "unknown_price", "created_at", "time_zone")


@click.group("tenant")
def command() -> None:
    """Create, change and list tenants."""


@command.command("create")
@with_settings
@click.argument("name")
@click.option(
    "--unknown-price",
    type=click.Choice([policy.value for policy in UnknownPrice]),
    default=UnknownPrice.REFUSE.value,
    show_default=True,
    help="What to do with calls of a model whose price is unknown.",
)
@click.option(
    "--time-zone",
    default="UTC",
    show_default=True,
    help="IANA zone in which the days, weeks and months of its budgets begin.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def create(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    unknown_price: str,
    time_zone: str,
    as_json: bool,
) -> None:
    """Create a tenant called NAME."""
    settings = configuration(config_file, data_dir).settings
    tenant = run(_create(settings, name, UnknownPrice(unknown_price), time_zone))
    _write([tenant], choose(as_json=as_json))


@command.command("set")
@with_settings
@click.argument("name")
@click.option("--state", type=click.Choice([each.value for each in TenantState]))
@click.option("--unknown-price", type=click.Choice([each.value for each in UnknownPrice]))
@click.option("--time-zone", help="IANA zone in which the windows of its budgets begin.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    state: str | None,
    unknown_price: str | None,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Change the tenant called NAME. Disabling it refuses all its keys at once, everywhere."""
    if state is None and unknown_price is None and time_zone is None:
        raise click.UsageError("Say what to change: --state, --unknown-price or --time-zone.")
    settings = configuration(config_file, data_dir).settings
    tenant = run(
        _set(
            settings,
            name,
            None if state is None else TenantState(state),
            None if unknown_price is None else UnknownPrice(unknown_price),
            time_zone,
        )
    )
    _write([tenant], choose(as_json=as_json))


@command.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List all tenants, oldest first."""
    settings = configuration(config_file, data_dir).settings
    _write(run(_list(settings)), choose(as_json=as_json))


async def _create(settings: Settings, name: str, policy: UnknownPrice, time_zone: str) -> Tenant:
    async with open_database(settings) as db:
        return await identity.create_tenant(
            db, IdFactory(SystemClock()), name, unknown_price=policy, time_zone=time_zone
        )


async def _set(
    settings: Settings,
    name: str,
    state: TenantState | None,
    unknown_price: UnknownPrice | None,
    time_zone: str | None,
) -> Tenant:
    async with open_database(settings) as db:
        tenant = await identity.find_tenant(db, name)
        await change_tenant(
            db, tenant.tenant_id, state=state, unknown_price=unknown_price, time_zone=time_zone
        )
        return await identity.find_tenant(db, name)


async def _list(settings: Settings) -> list[Tenant]:
    async with open_database(settings) as db:
        return await identity.list_tenants(db)


def _write(tenants: list[Tenant], format_: Format) -> None:
    items = [
        {
            "name": tenant.name,
            "tenant_id": tenant.tenant_id,
            "state": tenant.state.value,
            "unknown_price": tenant.unknown_price.value,
            "created_at": iso(tenant.created_at_ms),
            "time_zone": tenant.time_zone,
        }
        for tenant in tenants
    ]
    write_list("meterr.tenants/1", items, _COLUMNS, format_)
