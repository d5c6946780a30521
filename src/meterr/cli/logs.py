"""``meterr logs``: calls as the ledger has them."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from meterr import ledger
from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.output import Format, choose, note, write_line, write_list
from meterr.cli.times import with_period
from meterr.core.clock import SystemClock
from meterr.core.errors import Unavailable
from meterr.core.money import shown, wire
from meterr.core.settings import Settings
from meterr.ledger.model import State
from meterr.ledger.report import Entry

_COLUMNS = (
    "at",
    "tenant",
    "model",
    "state",
    "status",
    "outcome",
    "prompt_tokens",
    "answer_tokens",
    "cost_usd",
    "duration_ms",
    "id",
)
_POLL_S = 0.5


@click.command("logs")
@with_settings
@click.option("--follow", "-f", is_flag=True, help="Show calls as they come, until Ctrl+C.")
@with_period("24h")
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--model", help="Only this model.")
@click.option("--key", help="Only this key, by id.")
@click.option("--state", type=click.Choice([each.value for each in State if each != "opened"]))
@click.option("--failed", is_flag=True, help="Only status 400 and above.")
@click.option("--unpriced", is_flag=True, help="Only calls whose cost is unknown.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Write JSON; one object a line with -f.")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    follow: bool,
    since: date | datetime,
    until: date | datetime,
    tz: str,
    tenant: str | None,
    limit: int,
    as_json: bool,
    model: str | None,
    key: str | None,
    state: str | None,
    failed: bool,
    unpriced: bool,
) -> None:
    """List calls, newest first; with -f, follow them oldest first."""
    settings = configuration(config_file, data_dir).settings
    wanted = ledger.EntryFilter(
        model=model,
        key=key,
        state=None if state is None else State(state),
        failed=failed,
        unpriced=unpriced,
    )
    format_ = choose(as_json=as_json)
    if follow:
        run(_follow(settings, tenant, wanted, format_))
        return
    items = run(_list(settings, tenant, wanted, (since, until), tz, limit))
    money = wire if as_json else shown
    write_list(
        "meterr.calls/1", [_item(name, entry, money) for name, entry in items], _COLUMNS, format_
    )


async def _list(
    settings: Settings,
    tenant_name: str | None,
    wanted: ledger.EntryFilter,
    period: tuple[date | datetime, date | datetime],
    tz: str,
    limit: int,
) -> list[tuple[str, Entry]]:
    found: list[tuple[str, Entry]] = []
    async with open_database(settings) as db:
        for tenant in await chosen_tenants(db, tenant_name):
            page = await ledger.entries(
                db,
                tenant.tenant_id,
                since=period[0],
                until=period[1],
                tz=tz,
                wanted=wanted,
                limit=limit,
            )
            found += [(tenant.name, entry) for entry in page.entries]
    found.sort(key=lambda item: item[1].at, reverse=True)
    return found[:limit]


async def _follow(
    settings: Settings, tenant_name: str | None, wanted: ledger.EntryFilter, format_: Format
) -> None:
    clock = SystemClock()
    async with open_database(settings) as db:
        start = clock.unix_ms()
        followers = [
            (tenant.name, ledger.Follower(db, tenant.tenant_id, start, wanted))
            for tenant in await chosen_tenants(db, tenant_name)
        ]
        note("Following; Ctrl+C stops.")
        while True:
            for name, follower in followers:
                try:
                    entries = await follower.poll(clock.unix_ms())
                except Unavailable:  # the follower keeps its place; calls arrive when it is back
                    note("The database is away; waiting.")
                    entries = []
                for entry in entries:
                    _write_followed(name, entry, format_)
            await asyncio.sleep(_POLL_S)


def _write_followed(tenant: str, entry: Entry, format_: Format) -> None:
    if format_ is Format.JSON:
        click.echo(json.dumps(_item(tenant, entry, wire)))
    else:
        write_line(_item(tenant, entry, shown), _COLUMNS)


def _item(tenant: str, entry: Entry, money: Callable[[Decimal], str]) -> dict[str, object]:
    usage = entry.usage
    return {
        **msgspec.to_builtins(entry),
        "at": entry.at.isoformat(timespec="milliseconds"),
        "tenant": tenant,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "answer_tokens": usage.answer_tokens if usage else None,
        "cost_usd": None if entry.cost_usd is None else money(entry.cost_usd),
        "drawn_usd": None if entry.drawn_usd is None else money(entry.drawn_usd),
    }
