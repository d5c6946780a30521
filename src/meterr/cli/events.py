"""``meterr events``: what happened, for whoever guards this installation."""

import asyncio
import json
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path

import click

from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.output import Format, choose, note, write_line, write_list
from meterr.cli.times import Moment
from meterr.core.db import Database
from meterr.core.errors import Unavailable
from meterr.core.events import Follower, list_events
from meterr.core.events.model import EventRow
from meterr.core.settings import Settings

_COLUMNS = ("at", "severity", "kind", "tenant", "actor", "target", "network", "detail")
_POLL_S = 0.5
_INSTALLATION = "(installation)"


@click.command("events")
@with_settings
@click.option("--follow", "-f", is_flag=True, help="Show events as they come, until Ctrl+C.")
@click.option(
    "--since", type=Moment(), default="7d", help="Begin: a date, time or span [default: 7d]."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="Only this kind (key.revoked) or subject (key); may be given again.",
)
@click.option("--tenant", help="Tenant, by name [default: all, and the installation].")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Write JSON; one object a line with -f.")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    follow: bool,
    since: date | datetime,
    kinds: tuple[str, ...],
    tenant: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List security events, newest first; with -f, follow them oldest first."""
    settings = configuration(config_file, data_dir).settings
    format_ = choose(as_json=as_json)
    if follow:
        run(_follow(settings, tenant, kinds, format_))
        return
    items = run(_list(settings, tenant, kinds, _instant(since), limit))
    write = _whole if as_json else _short
    write_list("meterr.events/1", [write(name, event) for name, event in items], _COLUMNS, format_)


async def _list(
    settings: Settings,
    tenant: str | None,
    kinds: tuple[str, ...],
    since: datetime,
    limit: int,
) -> list[tuple[str, EventRow]]:
    found: list[tuple[str, EventRow]] = []
    async with open_database(settings) as db:
        for name, tenant_id in await _places(db, tenant):
            page = await list_events(db, tenant_id, since=since, kinds=kinds, limit=limit)
            found += [(name, event) for event in page.events]
    found.sort(key=lambda item: (item[1].at, item[1].event_id), reverse=True)
    return found[:limit]


async def _follow(
    settings: Settings, tenant: str | None, kinds: tuple[str, ...], format_: Format
) -> None:
    async with open_database(settings) as db:
        start = datetime.now(UTC)
        followers = [
            (name, Follower(db, tenant_id, start, kinds))
            for name, tenant_id in await _places(db, tenant)
        ]
        note("Following; Ctrl+C stops.")
        while True:
            for name, follower in followers:
                try:
                    events = await follower.poll(datetime.now(UTC))
                except Unavailable:  # the follower keeps its place; events wait for it
                    note("The database is away; waiting.")
                    events = []
                for event in events:
                    _write_followed(name, event, format_)
            await asyncio.sleep(_POLL_S)


async def _places(db: Database, tenant: str | None) -> list[tuple[str, str | None]]:
    """Return whose events are asked for, with None for the installation's."""
    tenants = [(each.name, each.tenant_id) for each in await chosen_tenants(db, tenant)]
    return [*tenants, (_INSTALLATION, None)] if tenant is None else [*tenants]


def _write_followed(name: str, event: EventRow, format_: Format) -> None:
    if format_ is Format.JSON:
        click.echo(json.dumps(_whole(name, event)))
    else:
        write_line(_short(name, event), _COLUMNS)


def _whole(name: str, event: EventRow) -> dict[str, object]:
    tenant = None if event.tenant_id is None else name
    return {**event.body(), "tenant": tenant}


def _short(name: str, event: EventRow) -> dict[str, object]:
    return {
        **event.body(),
        "tenant": name,
        "actor": _party(event.actor_kind, event.actor_id),
        "target": _party(event.target_kind, event.target_id),
        "detail": " ".join(f"{key}={value}" for key, value in event.detail.items()),
    }


def _party(kind: str, party_id: str) -> str:
    return f"{kind} {party_id}".strip()


def _instant(moment: date | datetime) -> datetime:
    """Return a date's first moment, and times without a zone, in UTC."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time_of_day(), UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
