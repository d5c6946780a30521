"""``meterr verify``: does the ledger agree with itself?"""

from pathlib import Path

import click

from meterr import ledger
from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.core.money import wire
from meterr.core.settings import Settings
from meterr.ledger.verify import WARNINGS, LedgerReport

_COLUMNS = ("fault", "tenant", "entry", "detail")
_TELL_EVERY = 100_000


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

    Exit 3 when anything is found; the faulty entries are named.
    """
    settings = configuration(config_file, data_dir).settings
    report = run(_verify(settings, tenant))
    items = [
        {"fault": each.fault, "tenant": each.tenant, "entry": each.entry, "detail": each.detail}
        for each in report.named
    ]
    beside = {
        "entries": report.entries,
        "tenants": report.tenants,
        "price_versions": report.price_versions,
        "cost_usd": wire(report.cost_usd),
        "counts": dict(report.counts),
        "failed": report.failed,
    }
    write_list("meterr.verification/1", items, _COLUMNS, choose(as_json=as_json), **beside)
    note(_verdict(report))
    return Exit.FINDINGS if report.failed else Exit.OK


async def _verify(settings: Settings, tenant_name: str | None) -> LedgerReport:
    told = 0

    def progress(entries: int) -> None:
        nonlocal told
        if entries - told >= _TELL_EVERY:
            told = entries
            note(f"{entries} entries read ...")

    async with open_database(settings) as db:
        tenants = await chosen_tenants(db, tenant_name)
        ids = [tenant.tenant_id for tenant in tenants]
        return await ledger.verify_ledger(db, ids, on_progress=progress)


def _verdict(report: LedgerReport) -> str:
    base = f"{report.entries} entries, {wire(report.cost_usd)} USD recomputed"
    faults = sum(count for fault, count in report.counts.items() if fault not in WARNINGS)
    warnings = sum(count for fault, count in report.counts.items() if fault in WARNINGS)
    verdict = f"{faults} faults" if faults else "every stored cost is exact"
    return f"{base}: {verdict}" + (f", {warnings} warnings." if warnings else ".")
