"""``meterr query save|list|remove``: questions whose answer a person has confirmed."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from meterr import identity
from meterr.app.gateway_process import keyring
from meterr.app.questions import Questions, open_questions
from meterr.cli.asker import with_author
from meterr.cli.context import (
    checked_reader,
    configuration,
    database_url,
    of_tenant,
    open_database,
    run,
    with_settings,
)
from meterr.cli.output import choose, note, write_list
from meterr.cli.times import iso
from meterr.core.clock import SystemClock
from meterr.core.ids import IdFactory
from meterr.core.settings import Settings
from meterr.query.language.verified import (
    VerifiedQuestion,
    list_questions,
    remove_question,
    save_question,
)
from meterr.query.sources import USAGE, OpenSource

_SCHEMA = "meterr.query.questions/1"
_COLUMNS = ("question_id", "question", "sql", "author")
of_source = click.option("--source", default=USAGE, show_default=True, help="What it is about.")


@click.command("save")
@with_settings
@of_tenant
@click.argument("question")
@click.option("--sql", required=True, help="The SELECT that answers it; - reads stdin.")
@click.option("--intent", default="", help="The intent that 'ask --json' shows: JSON.")
@of_source
@with_author
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def save(
    config_file: Path | None,
    data_dir: Path | None,
    tenant: str,
    question: str,
    sql: str,
    intent: str,
    source: str,
    author: str,
    as_json: bool,
) -> None:
    """
    Save a question with the SQL that answers it: you vouch that the answer is right.

    Later questions like it go to the model with this one as an example, its words included. The
    same question again replaces it.
    """
    settings = configuration(config_file, data_dir).settings
    statement = sys.stdin.read() if sql == "-" else sql

    async def work() -> VerifiedQuestion:
        async with _opened(settings, tenant, source) as here:
            return await save_question(
                here.questions.db,
                IdFactory(SystemClock()),
                here.source.catalogue,
                here.tenant_id,
                source,
                question,
                statement,
                intent=intent,
                author=author,
            )

    _tell([run(work())], as_json=as_json)
    note("Saved: an example for later questions like it.")


@click.command("list")
@with_settings
@of_tenant
@of_source
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(
    config_file: Path | None, data_dir: Path | None, tenant: str, source: str, as_json: bool
) -> None:
    """List saved questions."""
    settings = configuration(config_file, data_dir).settings

    async def work() -> list[VerifiedQuestion]:
        async with _opened(settings, tenant, source) as here:
            return await list_questions(here.questions.db, here.tenant_id, source)

    _tell(run(work()), as_json=as_json)


@click.command("remove")
@with_settings
@of_tenant
@click.argument("question_id")
def remove(config_file: Path | None, data_dir: Path | None, tenant: str, question_id: str) -> None:
    """End a saved question, by its id in 'meterr query list': it is an example no more."""
    settings = configuration(config_file, data_dir).settings

    async def work() -> None:
        async with open_database(settings) as db:
            found = await identity.find_tenant(db, tenant)
            await remove_question(db, found.tenant_id, question_id)

    run(work())
    note("Removed.")


@dataclass(frozen=True, slots=True)
class _Opened:
    tenant_id: str
    source: OpenSource
    questions: Questions


@asynccontextmanager
async def _opened(settings: Settings, tenant: str, source: str) -> AsyncIterator[_Opened]:
    """Yield what a tenant can ask about, and no model. Raises NotFound, UnknownSource."""
    checked_reader(settings)
    silent = settings.model_copy(
        update={"query": settings.query.model_copy(update={"model": None})}
    )
    async with open_database(settings) as db:
        tenant_id = (await identity.find_tenant(db, tenant)).tenant_id
    clock = SystemClock()
    opened = open_questions(
        silent, database_url(settings), partial(keyring, settings), clock, IdFactory(clock)
    )
    async with opened as questions:
        yield _Opened(tenant_id, await questions.sources.open(tenant_id, source), questions)


def _tell(saved: list[VerifiedQuestion], *, as_json: bool) -> None:
    items = [_shown(each) for each in saved]
    write_list(_SCHEMA, items, _COLUMNS, choose(as_json=as_json))


def _shown(saved: VerifiedQuestion) -> dict[str, Any]:
    return {
        "question_id": saved.question_id,
        "source": saved.source,
        "question": saved.question,
        "sql": saved.sql,
        "intent": saved.intent,
        "author": saved.author,
        "created_at": iso(saved.created_at_ms),
    }
