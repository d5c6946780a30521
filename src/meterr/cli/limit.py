"""``meterr limit``: rates and concurrency of tenants, owners and keys."""

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

_MEASURES = (Measure.REQUESTS, Measure.TOKENS, Measure.CONCURRENCY)


@click.group("limit")
def command() -> None:
    """Set, list and end limits on requests, tokens and concurrency."""


@command.command("set", cls=AmountCommand)
@with_settings
@with_subject
@click.argument("measure", type=Word("measure", *(each.value for each in _MEASURES)))
@click.argument("amount", metavar="N")
@with_rule_options
def set_(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    owner: str | None,
    key: str | None,
    model: str,
    measure: str,
    amount: str,
    soft: bool,
    dry_run: timedelta | None,
    as_json: bool,
) -> None:
    """
    Allow N requests or tokens in any 60 seconds, or N calls at the same time.

    Example: meterr limit set tokens 90000 --key 0199... --model 'gpt-*'

    Tokens are those in and out together. Setting the same limit again changes N.
    """
    settings = configuration(config_file, data_dir).settings
    span = Span.CALL if measure == Measure.CONCURRENCY else Span.MINUTE
    terms = {
        "measure": Measure(measure),
        "span": span,
        "amount": amount,
        "model": model,
        "hard": not soft,
    }
    set_rule(settings, Subject(tenant, owner, key), terms, dry_run=dry_run, as_json=as_json)


@command.command("list")
@with_settings
@click.option("--tenant", help="Tenant, by name [default: all].")
@click.option("--ended", is_flag=True, help="Ended ones, too.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(
    config_file: Path | None, data_dir: Path | None, tenant: str | None, ended: bool, as_json: bool
) -> None:
    """List limits with what is left of them now, oldest first."""
    settings = configuration(config_file, data_dir).settings
    list_rules(settings, tenant, budgets=False, ended=ended, as_json=as_json)


@command.command("end")
@with_settings
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Tenant, by name.")
@click.argument("limit_id")
def end(config_file: Path | None, data_dir: Path | None, tenant: str, limit_id: str) -> None:
    """End the limit LIMIT_ID at once, in every process."""
    end_rule(configuration(config_file, data_dir).settings, tenant, limit_id)
