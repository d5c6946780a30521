"""``meterr budget``: what tenants, owners and keys may spend."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from meterr.cli.context import chosen_tenants, configuration, open_database, run, with_settings
from meterr.cli.output import choose, write_list
from meterr.cli.rules import AmountCommand, Word, add_list_and_end, set_rule, with_rule_options
from meterr.cli.times import with_period
from meterr.core.limits import Measure, Span
from meterr.core.money import shown, wire
from meterr.core.settings import Settings
from meterr.ledger.limits import LimitEvent, limit_events
from meterr.ledger.period import Period, period_of, zone_of

_EVENT_COLUMNS = (
    "tenant",
    "at",
    "percent",
    "hard",
    "holder",
    "subject",
    "model",
    "spent",
    "amount",
    "per",
    "starts_at",
    "limit_id",
)
_PER = (Span.DAY, Span.WEEK, Span.MONTH, Span.TOTAL)


@click.group("budget")
def command() -> None:
    """Set, list and end budgets in US dollars."""


@command.command("set", cls=AmountCommand)
@with_rule_options
@click.argument("amount", metavar="USD")
@click.option(
    "--per",
    type=Word("window", *(each.value for each in _PER)),
    required=True,
    help="Window, in the tenant's time zone; total: for ever.",
)
def set_(amount: str, per: str, **options: Any) -> None:
    """
    Allow calls to cost USD dollars in each window, and not a fraction more.

    Example: meterr budget set 250.00 --per month --owner search-team

    Setting the same budget again changes its amount; what the window has spent stays spent.
    """
    set_rule(Measure.USD, Span(per), amount, **options)


add_list_and_end(command, "budget", budgets=True)


@command.command("events")
@with_settings
@with_period("30d")
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact.")
def events(
    config_file: Path | None,
    data_dir: Path | None,
    since: date | datetime,
    until: date | datetime,
    tz: str,
    tenant: str | None,
    as_json: bool,
) -> None:
    """
    List what budgets have reached, 50, 80, 95 or 100 percent, newest first.

    Each window tells each percentage once, with what it had spent then and what its amount was.
    """
    settings = configuration(config_file, data_dir).settings
    period = period_of(since, until, zone_of(tz))
    money = wire if as_json else shown
    items = [_item(name, event, money) for name, event in run(_events(settings, tenant, period))]
    write_list("meterr.limit-events/1", items, _EVENT_COLUMNS, choose(as_json=as_json))


async def _events(
    settings: Settings, tenant_name: str | None, period: Period
) -> list[tuple[str, LimitEvent]]:
    found: list[tuple[str, LimitEvent]] = []
    async with open_database(settings) as db:
        for tenant in await chosen_tenants(db, tenant_name):
            page = await limit_events(db, tenant.tenant_id, period)
            while page:
                found += [(tenant.name, event) for event in page]
                page = await limit_events(db, tenant.tenant_id, period, before=page[-1])
    return sorted(found, key=lambda each: each[1].at, reverse=True)


def _item(tenant: str, event: LimitEvent, money: Callable[[Decimal], str]) -> dict[str, object]:
    return {
        "tenant": tenant,
        "at": event.at.isoformat(timespec="milliseconds"),
        "percent": event.percent,
        "hard": event.hard,
        "holder": event.holder.value,
        "subject": event.subject or None,
        "model": event.model or "*",
        "spent": money(event.spent),
        "amount": money(event.amount),
        "per": event.span.value,
        "starts_at": event.starts_at.isoformat(),
        "limit_id": event.limit_id,
    }
