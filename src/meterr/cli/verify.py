"""``meterr verify``: does the ledger agree with itself?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from meterr import ledger
from meterr.app.gateway_process import journal_root
from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.core.errors import OperatorError
from meterr.core.money import wire
from meterr.core.settings import Settings
from meterr.ledger.journal import Leftover, Leftovers, look
from meterr.ledger.verify import NAMED_PER_FAULT, WARNINGS, LedgerReport

_COLUMNS = ("fault", "tenant", "entry", "detail")
_TELL_EVERY = 100_000
_TELL_EVERY_HOURS = 100
_REJECTED = "journal-rejected"
_DAMAGED = "journal-damaged"
_WAY_BACK = {
    _REJECTED: "Their records are not in the ledger. Each start of meterr offers them again; what "
    "still stays there was refused for the reason in its line.",
    _DAMAGED: "All that can be read of them is in the ledger. Move them away once you know why.",
}


@click.group("verify")
def command() -> None:
    """Recompute the ledger and compare."""


@command.command("ledger")
@with_settings
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def verify_ledger(
    config_file: Path | None, data_dir: Path | None, tenant: str | None, as_json: bool
) -> int:
    """
    Recompute every cost from tokens and price, and look for gaps in what entries say.

    Compares the rollups of every hour and day with what they sum up, and what budgets spent with
    the entries that were drawn from them.

    Looks into the journal of the data directory too, for records that could not go into the ledger.
    Exit 3 when anything is found; the faulty entries and files are named.
    """
    settings = configuration(config_file, data_dir).settings
    report = run(_verify(settings, tenant))
    left = _look(settings)
    aside = {_REJECTED: left.rejected, _DAMAGED: left.damaged}
    aside = {fault: files for fault, files in aside.items() if files}
    failed = report.failed or bool(aside)
    beside = {
        "entries": report.entries,
        "hours": report.hours,
        "tenants": report.tenants,
        "price_versions": report.price_versions,
        "cost_usd": wire(report.cost_usd),
        "counts": dict(report.counts) | {fault: len(files) for fault, files in aside.items()},
        "journal_bytes_max": left.bytes_written_max,
        "failed": failed,
    }
    items = _items(report, aside)
    write_list("meterr.verification/1", items, _COLUMNS, choose(as_json=as_json), **beside)
    note(_verdict(report))
    note(f"At most {left.bytes_written_max} bytes of journal are not in the ledger yet.")
    for fault, files in aside.items():
        place = journal_root(settings.data_dir)
        note(f"{fault}: {len(files)} files in {place}. {_WAY_BACK[fault]}")
    return Exit.FINDINGS if failed else Exit.OK


def _items(report: LedgerReport, aside: Mapping[str, Sequence[Leftover]]) -> list[dict[str, str]]:
    """List what is at fault by name: entries, then files of the journal."""
    entries = [
        {"fault": each.fault, "tenant": each.tenant, "entry": each.entry, "detail": each.detail}
        for each in report.named
    ]
    files = [
        {"fault": fault, "tenant": "", "entry": each.name, "detail": _described(each)}
        for fault, found in aside.items()
        for each in found[:NAMED_PER_FAULT]
    ]
    return entries + files


def _look(settings: Settings) -> Leftovers:
    root = journal_root(settings.data_dir)
    try:
        return look(root)
    except OSError as error:
        reason = f"{type(error).__name__}: {error.filename or root}"
        raise OperatorError(f"the journal cannot be looked at: {reason}") from None


def _described(left: Leftover) -> str:
    records = f"{left.lines} records, " if left.lines else ""
    return f"{records}{left.bytes} bytes"


async def _verify(settings: Settings, tenant_name: str | None) -> LedgerReport:
    told = 0

    def progress(entries: int) -> None:
        nonlocal told
        if entries - told >= _TELL_EVERY:
            told = entries
            note(f"{entries} entries read ...")

    def compared(hours: int) -> None:
        if hours % _TELL_EVERY_HOURS == 0:
            note(f"{hours} hours compared ...")

    async with open_database(settings) as db:
        tenants = await chosen_tenants(db, tenant_name)
        ids = [tenant.tenant_id for tenant in tenants]
        return await ledger.verify_ledger(db, ids, on_progress=progress, on_hours=compared)


def _verdict(report: LedgerReport) -> str:
    base = (
        f"{report.entries} entries, {wire(report.cost_usd)} USD recomputed, "
        f"{report.hours} hours of sums compared"
    )
    faults = sum(count for fault, count in report.counts.items() if fault not in WARNINGS)
    warnings = sum(count for fault, count in report.counts.items() if fault in WARNINGS)
    verdict = f"{faults} faults" if faults else "every stored cost is exact"
    return f"{base}: {verdict}" + (f", {warnings} warnings." if warnings else ".")
