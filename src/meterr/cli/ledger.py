"""``meterr ledger``: what leaves the ledger as files."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from meterr.cli.context import chosen_tenants, configuration, database_url, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import Moment
from meterr.core.db import Database, Role
from meterr.core.errors import Invalid
from meterr.core.money import wire
from meterr.core.settings import Settings
from meterr.ledger import lake
from meterr.ledger.lake import DayReport, DayState

_COLUMNS = ("day", "state", "written", "entries", "tokens", "cost_usd", "file", "detail")
_TELL_EVERY = 100_000
# A day of a large tenant is counted by one statement.
_STATEMENT_TIMEOUT_S = 600
_SETTLING_H = lake.SETTLING // timedelta(hours=1)
_BEGINNING = date(1970, 1, 1)


class _Day(Moment):
    """A UTC day, or a span back from today such as ``7d``."""

    name = "day|span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        moment = super().convert(value, param, ctx)
        if not isinstance(moment, datetime):
            return moment
        if "T" in str(value) or " " in str(value):
            self.fail(f"{value!r} is no day (2026-11-22) and no span (7d).")
        return moment.date()


@click.group("ledger")
def command() -> None:
    """Write closed days to files for DuckDB, Spark and others."""


@command.command("export")
@with_settings
@click.option(
    "--to",
    "root",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the export; made when missing.",
)
@click.option("--from", "since", type=_Day(), help="First UTC day [default: the oldest].")
@click.option("--to-day", "until", type=_Day(), help="End, exclusive [default: all closed days].")
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--include-recent", is_flag=True, help=f"Do not wait {_SETTLING_H} h after a day.")
@click.option("--check", is_flag=True, help="Compare files and ledger; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; costs exact.")
def export(
    config_file: Path | None,
    data_dir: Path | None,
    root: Path,
    since: date | None,
    until: date | None,
    tenant: str | None,
    include_recent: bool,
    check: bool,
    as_json: bool,
) -> int:
    """
    Write closed UTC days as Parquet, one file a day.

    Writes days that have no file yet and days that got entries since; run it again at any time. A
    file that has more than the ledger, or cannot be read, is left as it is. Exit 3 when there is
    one; with --check also when a day is missing or late.
    """
    settings = configuration(config_file, data_dir).settings
    now = datetime.now(UTC)
    closed = lake.end_of_closed(now, include_recent=include_recent)
    wanted = (since or _BEGINNING, min(until or closed, closed))
    if since is not None and since >= wanted[1]:
        raise Invalid(f"No day from {since} on is closed and settled before the end.", param="from")
    reports = run(_run(settings, root, tenant, wanted, now, check=check))
    failed = any(_is_finding(report, check=check) for report in reports)
    total = lake.Figures()
    for report in reports:
        total = total.plus(report.figures)
    beside = {
        "entries": total.entries,
        "tokens": total.tokens,
        "cost_usd": wire(total.cost_usd),
        "failed": failed,
    }
    items = [_item(report) for report in reports]
    write_list("meterr.ledger_export/1", items, _COLUMNS, choose(as_json=as_json), **beside)
    note(_verdict(reports, total))
    return Exit.FINDINGS if failed else Exit.OK


async def _run(
    settings: Settings,
    root: Path,
    tenant_name: str | None,
    days: tuple[date, date],
    now: datetime,
    *,
    check: bool,
) -> Sequence[DayReport]:
    told = 0

    def progress(day: date, entries: int) -> None:
        nonlocal told
        if entries // _TELL_EVERY != told:
            told = entries // _TELL_EVERY
            note(f"{day}: {entries} entries written ...")

    format_ = lake.parquet_format()
    async with Database.open(
        database_url(settings),
        Role.APP,
        pool_size_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
    ) as db:
        tenants = [each.tenant_id for each in await chosen_tenants(db, tenant_name)]
        one = lake.EVERY_TENANT if tenant_name is None else tenants[0]
        wanted = lake.Wanted(*days, tenants, one)
        folder = lake.Lake(db, root, format_)
        return await (folder.check(wanted) if check else folder.export(wanted, now, progress))


def _is_finding(report: DayReport, *, check: bool) -> bool:
    waiting = report.state in (DayState.MISSING, DayState.LATE)
    return report.state in lake.FAULTS or (check and waiting)


def _item(report: DayReport) -> dict[str, object]:
    return {
        "day": report.day.isoformat(),
        "state": report.state,
        "written": report.written,
        "entries": report.figures.entries,
        "tokens": report.figures.tokens,
        "cost_usd": wire(report.figures.cost_usd),
        "file": str(report.file),
        "detail": report.detail or None,
    }


def _verdict(reports: Sequence[DayReport], total: lake.Figures) -> str:
    written = sum(report.written for report in reports)
    counts = {state: sum(r.state is state for r in reports) for state in DayState}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    days = f"{len(reports)} days ({states})" if reports else "no day"
    return f"{days}, {written} written: {total.entries} entries, {wire(total.cost_usd)} USD."
