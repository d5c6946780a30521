"""``meterr limit leases`` and ``release``: what processes hold of limits, and giving one up."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import click

from meterr.app.gateway_process import journal_root
from meterr.cli.context import (
    chosen_tenants,
    configuration,
    database_url,
    open_database,
    run,
    with_settings,
)
from meterr.cli.output import Format, choose, note, write_list
from meterr.core.clock import SystemClock
from meterr.core.db import Database, Role
from meterr.core.errors import OperatorError
from meterr.core.limits import Measure
from meterr.core.money import wire
from meterr.core.settings import Settings
from meterr.ledger.limits import list_limits
from meterr.ledger.limits.model import NO_TENANT, LeaseRecord
from meterr.ledger.limits.processes import close_process, find_process, list_leases

SILENT_FOR = timedelta(minutes=10)
"""A process that said nothing for so long may be lost; a living one says something each 8 s."""

_COLUMNS = (
    "process",
    "tenant",
    "holder",
    "subject",
    "model",
    "measure",
    "per",
    "granted",
    "spent",
    "seen_at",
    "limit_id",
)


def _canonical(_context: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    """Return a process's name as PostgreSQL and the journal's folders write it."""
    return name and name.lower()


@click.command("leases")
@with_settings
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--process", callback=_canonical, help="Only what this process holds.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact.")
def leases(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str | None,
    process: str | None,
    as_json: bool,
) -> None:
    """
    List what gateway processes hold of budgets and limits, the longest silent first.

    A process has the name of its folder in the journal. What it was granted and has not spent is
    nobody else's until it gives it back, or its journal has been read to the end.
    """
    settings = configuration(config_file, data_dir).settings
    found, names = run(_held(settings, tenant, process))
    _write(found, names, choose(as_json=as_json))


@click.command("release")
@with_settings
@click.argument("process", callback=_canonical)
@click.option("--force", is_flag=True, help="Even if it gave a sign of life a moment ago.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact.")
def release(
    config_file: Path | None, data_dir: Path | None, process: str, force: bool, as_json: bool
) -> None:
    """
    Give up PROCESS, whose host is lost for ever with its journal.

    Lists what it holds, and lets others have it. If the journal is still somewhere, start meterr
    with that data directory instead: then its calls are entered, too. A process that turns out to
    live answers 503 under limits until it is restarted.
    """
    settings = configuration(config_file, data_dir).settings
    run(_require_lost(settings, process, force=force))
    found, names = run(_held(settings, None, process))
    _write(found, names, choose(as_json=as_json))
    for line in run(_close(settings, process)):
        note(line)
    note(
        "Given up: calls of this process that were not in the ledger yet never will be, and no"
        " budget holds what they cost."
    )


async def _require_lost(settings: Settings, process: str, *, force: bool) -> None:
    async with open_database(settings) as db:
        known = await find_process(db, process)
    if known.closed_at is not None:
        raise OperatorError(f"process {process} was closed at {known.closed_at.isoformat()}.")
    if (journal_root(settings.data_dir) / process).exists():
        raise OperatorError(
            f"the journal of process {process} is in {settings.data_dir}: start meterr with this"
            " data directory; it enters the calls and gives back the rest by itself"
        )
    if known.silent_s < SILENT_FOR.total_seconds() and not force:
        raise OperatorError(
            f"process {process} gave a sign of life {known.silent_s:.0f} s ago; one is given up"
            f" after {SILENT_FOR.total_seconds() / 60:.0f} minutes of silence, or with --force"
        )


async def _held(
    settings: Settings, tenant_name: str | None, process: str | None
) -> tuple[list[LeaseRecord], dict[str, str]]:
    async with open_database(settings) as db:
        names = {each.tenant_id: each.name for each in await chosen_tenants(db, tenant_name)}
        ids = [*names] if tenant_name else [*names, NO_TENANT]
        return await list_leases(db, ids, process=process), names


async def _close(settings: Settings, process: str) -> list[str]:
    """Close a process; say of each budget what can be spent of its present window again."""
    async with Database.open(database_url(settings), Role.DRAIN, pool_size_max=1) as db:
        freed = await close_process(db, process)
    usd = {(each.limit_id, each.starts_at): each.usd for each in freed}
    async with open_database(settings) as db:
        return [
            f"{wire(back)} USD of budget {rule.limit_id} (per {rule.span}) can be spent again."
            for tenant in sorted({each.tenant_id for each in freed})
            for rule in await list_limits(db, SystemClock(), tenant)
            if rule.starts_at and (back := usd.get((rule.limit_id, rule.starts_at)))
        ]


def _write(found: Sequence[LeaseRecord], names: Mapping[str, str], format_: Format) -> None:
    items = [
        {
            "process": lease.process,
            "tenant": names.get(lease.tenant_id),
            "limit_id": lease.limit_id,
            "holder": lease.holder.value,
            "subject": lease.subject,
            "model": lease.model or "*",
            "measure": lease.measure.value,
            "per": lease.span.value,
            "starts_at": lease.starts_at.isoformat(),
            "granted": wire(lease.granted),
            "spent": wire(lease.spent) if lease.measure is Measure.USD else None,
            "seen_at": lease.seen_at.isoformat(timespec="seconds"),
        }
        for lease in found
    ]
    write_list("meterr.leases/1", items, _COLUMNS, format_)
