"""``meterr limit``: rates and concurrency of tenants, owners and keys."""

from typing import Any

import click

from meterr.cli.limit_leases import leases, release
from meterr.cli.rules import AmountCommand, Word, add_list_and_end, set_rule, with_rule_options
from meterr.core.limits import Measure, Span

_MEASURES = (Measure.REQUESTS, Measure.TOKENS, Measure.CONCURRENCY)


@click.group("limit")
def command() -> None:
    """Set, list and end limits on requests, tokens and concurrency; see who holds what of them."""


command.add_command(leases)
command.add_command(release)


@command.command("set", cls=AmountCommand)
@with_rule_options
@click.argument("measure", type=Word("measure", *(each.value for each in _MEASURES)))
@click.argument("amount", metavar="N")
def set_(measure: str, amount: str, **options: Any) -> None:
    """
    Allow N requests or tokens in any 60 seconds, or N calls at the same time.

    Example: meterr limit set tokens 90000 --key 0199... --model 'gpt-*'

    Tokens are those in and out together. Setting the same limit again changes N.
    """
    span = Span.CALL if measure == Measure.CONCURRENCY else Span.MINUTE
    set_rule(Measure(measure), span, amount, **options)


add_list_and_end(command, "limit", budgets=False)
