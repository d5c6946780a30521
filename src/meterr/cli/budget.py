"""``meterr budget``: what tenants, owners and keys may spend."""

from datetime import timedelta
from pathlib import Path

import click

from meterr.cli.context import DEFAULT_TENANT, configuration, with_settings
from meterr.cli.limit_options import (
    AmountCommand,
    Subject,
    Word,
    end_rule,
    list_rules,
    set_rule,
    with_rule_options,
    with_subject,
)
from meterr.core.limits import Measure, Span

_PER = (Span.DAY, Span.WEEK, Span.MONTH, Span.TOTAL)


@click.group("budget")
def command() -> None:
    """Set, list and end budgets in US dollars."""


@command.command("set", cls=AmountCommand)
@with_settings
@with_subject
@click.argument("amount", metavar="USD")
@click.option(
    "--per",
    type=Word("window", *(each.value for each in _PER)),
    required=True,
    help="Window, in the tenant's time zone; total: for ever.",
)
@with_rule_options
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    owner: str | None,
    key: str | None,
    model: str,
    amount: str,
    per: str,
    soft: bool,
    dry_run: timedelta | None,
    as_json: bool,
) -> None:
    """
    Allow calls to cost USD dollars in each window, and not a fraction more.

    Example: meterr budget set 250.00 --per month --owner search-team

    Setting the same budget again changes its amount; what the window has spent stays spent.
    """
    settings = configuration(config_file, data_dir).settings
    terms = {
        "measure": Measure.USD,
        "span": Span(per),
        "amount": amount,
        "model": model,
        "hard": not soft,
    }
    set_rule(settings, Subject(tenant, owner, key), terms, dry_run=dry_run, as_json=as_json)


@command.command("list")
@with_settings
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--ended", is_flag=True, help="Ended ones, too.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; amounts exact.")
def list_(
    config_file: Path | None, data_dir: Path | None, tenant: str | None, ended: bool, as_json: bool
) -> None:
    """List budgets with what is left of their present windows, oldest first."""
    settings = configuration(config_file, data_dir).settings
    list_rules(settings, tenant, budgets=True, ended=ended, as_json=as_json)


@command.command("end")
@with_settings
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Tenant, by name.")
@click.argument("limit_id")
def end(config_file: Path | None, data_dir: Path | None, tenant: str, limit_id: str) -> None:
    """End the budget LIMIT_ID at once, in every process."""
    end_rule(configuration(config_file, data_dir).settings, tenant, limit_id)
