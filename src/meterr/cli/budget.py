"""``meterr budget``: what tenants, owners and keys may spend."""

from typing import Any

import click

from meterr.cli.rules import AmountCommand, Word, add_list_and_end, set_rule, with_rule_options
from meterr.core.limits import Measure, Span

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
