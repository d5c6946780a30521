"""``meterr usage``: exact sums of the ledger."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from meterr import ledger
from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.names import key_names
from meterr.cli.output import Format, choose, note, write_list
from meterr.cli.times import with_period
from meterr.core.money import shown, wire
from meterr.core.settings import Settings
from meterr.ledger.report import UsageReport, UsageRow

_FIGURES = ("calls", "prompt_tokens", "cached_tokens", "answer_tokens", "cost_usd")
_DOUBTS = ("unpriced", "estimated", "partial", "interrupted", "refused", "failed")


class _Dimensions(click.ParamType[tuple[ledger.Dimension, ...]]):
    name = "dimension[,...]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[ledger.Dimension, ...]:
        try:
            return tuple(ledger.Dimension(part.strip()) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r}: choose from {', '.join(ledger.Dimension)}.")


@click.command("usage")
@with_settings
@click.option("--by", type=_Dimensions(), default="model", show_default=True, help="Split by.")
@with_period("30d")
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; costs exact.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV; costs exact.")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    by: tuple[ledger.Dimension, ...],
    since: date | datetime,
    until: date | datetime,
    tz: str,
    tenant: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """
    Sum calls, tokens and cost from the ledger.

    Costs are exact; people see six places, JSON and CSV all of them. Calls without a known price
    have no cost and are counted as unpriced; partial ones cost at least what is shown.
    """
    format_ = choose(as_json=as_json, as_csv=as_csv)
    settings = configuration(config_file, data_dir).settings
    reports = run(_reports(settings, tenant, by, (since, until), tz))
    money = shown if format_ is Format.AUTO else wire
    items = [
        {"tenant": name, **_item(row, names, money)}
        for name, report, names in reports
        for row in report.rows
    ]
    columns = ("tenant", *(dimension.value for dimension in by), *_FIGURES, *_DOUBTS)
    totals = [{"tenant": name, **_item(each.total, {}, money)} for name, each, _ in reports]
    write_list("meterr.usage/1", items, columns, format_, totals=totals, tz=tz)
    if format_ is Format.AUTO:
        for total in totals:
            cost = total["cost_usd"] or "0.000000"
            note(f"{total['tenant']}: {total['calls']} calls, {cost} USD")


async def _reports(
    settings: Settings,
    tenant_name: str | None,
    by: tuple[ledger.Dimension, ...],
    period: tuple[date | datetime, date | datetime],
    tz: str,
) -> list[tuple[str, UsageReport, dict[str, str]]]:
    reports = []
    async with open_database(settings) as db:
        for tenant in await chosen_tenants(db, tenant_name):
            report = await ledger.usage(
                db, tenant.tenant_id, by=by, since=period[0], until=period[1], tz=tz
            )
            names = await key_names(db, tenant.tenant_id) if ledger.Dimension.KEY in by else {}
            reports.append((tenant.name, report, names))
    return reports


def _item(
    row: UsageRow, names: dict[str, str], money: Callable[[Decimal], str]
) -> dict[str, object]:
    group = {dimension.value: value for dimension, value in row.group.items()}
    if "key" in group:
        group["key_id"], group["key"] = group["key"], names.get(group["key"], group["key"])
    return {
        **group,
        "calls": row.calls,
        "prompt_tokens": row.usage.prompt_tokens,
        "cached_tokens": row.usage.cache_read,
        "answer_tokens": row.usage.answer_tokens,
        "cost_usd": None if row.cost_usd is None else money(row.cost_usd),
        "unpriced": row.unpriced,
        "estimated": row.estimated,
        "partial": row.partial,
        "interrupted": row.interrupted,
        "refused": row.refused,
        "failed": row.failed,
        "usage": msgspec.to_builtins(row.usage),
    }
