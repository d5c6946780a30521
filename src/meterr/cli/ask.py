"""``meterr ask``: a question about a tenant's data, in plain language or in SQL."""

import os
import sys
from functools import partial
from pathlib import Path

import click
import msgspec

from meterr import identity
from meterr.app.gateway_process import keyring
from meterr.app.own_address import with_running
from meterr.app.questions import open_questions
from meterr.cli import minting
from meterr.cli.context import (
    checked_reader,
    configuration,
    database_url,
    of_tenant,
    open_database,
    run,
    with_settings,
)
from meterr.cli.exits import Exit
from meterr.cli.output import Format, choose, cleaned, note, write_table
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.query.answers import AskedBack, Asker, Given, Inquiry
from meterr.query.language import Clarified
from meterr.query.sources import USAGE

_SCHEMA = "meterr.answer/1"


@click.command("ask")
@with_settings
@of_tenant
@click.argument("question", required=False)
@click.option("--sql", help="One SELECT instead of a question; - reads stdin.")
@click.option("--source", default=USAGE, show_default=True, help="What it is about.")
@click.option(
    "--clarified",
    nargs=2,
    metavar="ASKED SAID",
    help="What was asked back about this question, and what you say to it.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
def command(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    question: str | None,
    sql: str | None,
    source: str,
    clarified: tuple[str, str] | None,
    as_json: bool,
    as_csv: bool,
) -> int:
    """
    Ask a tenant's calls, costs, keys and budgets, in plain language or with --sql.

    A statement runs as the tenant's own login, read-only, and sees that tenant's rows alone. The
    views: calls, costs_hourly, costs_daily, keys, limits, budget_windows.

    Plain language needs the setting query.model; the gateway that runs is asked for that model, and
    the call is in the tenant's ledger. A question that can mean several things is answered with one
    question: on a terminal you are asked, elsewhere it is written and the exit status is 4.
    """
    format_ = choose(as_json=as_json, as_csv=as_csv)
    settings = with_running(configuration(config_file, data_dir).settings)
    checked_reader(settings)
    inquiry = Inquiry(
        question=question,
        sql=sys.stdin.read() if sql == "-" else sql,
        source=source,
        clarified=None if clarified is None else Clarified(*clarified),
    ).checked()
    ask = partial(_ask, settings, tenant)
    outcome = run(ask(inquiry))
    if isinstance(outcome, AskedBack) and format_ is Format.AUTO and sys.stdin.isatty():
        said = click.prompt(cleaned(outcome.ask), err=True)
        told = Clarified(outcome.ask, said)
        outcome = run(ask(msgspec.structs.replace(inquiry, clarified=told)))
    return _tell(outcome, format_)


async def _ask(settings: Settings, tenant: str, inquiry: Inquiry) -> Given | AskedBack:
    async with open_database(settings) as db:
        found = await identity.find_tenant(db, tenant)
        if inquiry.question is not None and settings.query.model is not None:
            await minting.peppers(settings, db)  # the model is asked under a key of its own
    clock = SystemClock()
    # Operators do not hold each other up; the tenant's login has eight connections all the same.
    asker = Asker(found.tenant_id, f"operator {os.getpid()}", sees_calls=True)
    opened = open_questions(
        settings, database_url(settings), partial(keyring, settings), clock, IdFactory(clock)
    )
    async with opened as questions:
        return await questions.answers.answer(asker, inquiry)


def _tell(outcome: Given | AskedBack, format_: Format) -> int:
    document = {"schema": _SCHEMA, **msgspec.to_builtins(outcome)}
    if isinstance(outcome, AskedBack):
        if format_ is Format.JSON:
            write_table((), (), format_, document)
        else:
            note(cleaned(outcome.ask))
            note("Ask again with --clarified, then what was asked back, then what you say to it.")
            _tell_author(outcome)
        return Exit.ASKED_BACK
    names = [column.name for column in outcome.columns]
    write_table(names, outcome.rows, format_, document)
    if outcome.completions and format_ is not Format.JSON:
        note(f"Asked with this SQL ({outcome.tier}):\n{cleaned(outcome.sql)}")
    _tell_author(outcome)
    if outcome.truncated:
        note(f"There is more: only the first {len(outcome.rows)} rows are shown.")
    return Exit.OK


def _tell_author(outcome: Given | AskedBack) -> None:
    if outcome.simulated:
        note("Written by meterr's simulator, by rule: set query.model to ask a real model.")
