"""``meterr source``: a tenant's own database, to be asked like its usage."""

import getpass
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
from pydantic import SecretStr

from meterr import identity
from meterr.app.sources import open_source_book
from meterr.cli.context import (
    configuration,
    database_url,
    of_tenant,
    open_database,
    run,
    with_settings,
)
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, printable, write_list
from meterr.cli.times import iso
from meterr.core.settings import Settings
from meterr.query.language.words import Words
from meterr.query.protection import Protected, Shape, Table
from meterr.query.sources import Source, SourceBook

_COLUMNS = ("name", "database", "tables", "rows", "state", "mode", "checked_at")
_READ_CHARS_MAX = 16 * 1024
_WORDS_CHARS_MAX = 200_001  # one more than is read, so that nothing is cut in silence
_URL_FILE_HELP = "File with its address, postgresql://user:password@host/database; - reads stdin."
_url_file = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group("source")
def command() -> None:
    """Ask a tenant's own PostgreSQL: add it, protect it, look at it again."""


@command.command("add")
@with_settings
@click.argument("name")
@of_tenant
@click.option("--url-file", type=_url_file, required=True, help=_URL_FILE_HELP)
@click.option(
    "--table",
    "tables",
    multiple=True,
    required=True,
    help="Table to ask about, schema.table or schema.table(column, ...); repeat it.",
)
@click.option("--tenant-column", help="Column that says whose row it is [default: all are its].")
@click.option("--tenant-value", help="This tenant's value in that column.")
@click.option("--author", default=getpass.getuser, help="Who [default: the login name].")
def add(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    tenant: str,
    url_file: Path,
    tables: tuple[str, ...],
    tenant_column: str | None,
    tenant_value: str | None,
    author: str,
) -> None:
    """
    Keep a database of the tenant's as the source NAME; its address is stored encrypted.

    The address is that of a login which owns the tables and has CREATEROLE, or a superuser. It is
    kept until 'meterr source protect' has made a login that can only read.
    """
    settings = configuration(config_file, data_dir).settings
    shape = Shape(tuple(map(Table.parse, tables)), tenant_column, tenant_value)
    url = _read(url_file)

    async def work() -> Source:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.add(tenant_id, name, url, shape, created_by=author)

    added = run(work())
    note(f"Added {added.name}, {added.place}. Next: meterr source protect {added.name}")


@command.command("protect")
@with_settings
@click.argument("name")
@of_tenant
@click.option(
    "--keep-role",
    "keep",
    multiple=True,
    help="Role of the application that goes on seeing every row; repeat it.",
)
@click.option("--url-file", type=_url_file, help="The administrator's address, when asked for.")
@click.option("--dry-run/--apply", default=True, show_default=True, help="Show only, or do it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def protect(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    tenant: str,
    keep: tuple[str, ...],
    url_file: Path | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """
    Make a login that reads this tenant's rows alone, and try to cross as that login.

    Row security is enabled and FORCED on the tables: the application's own roles, the owner
    included, are then held to policies, too. Name each that is to see all rows with --keep-role.
    Undone as a whole when anything crosses; exit 3 when something stands in the way.
    """
    settings = configuration(config_file, data_dir).settings
    url = None if url_file is None else _read(url_file)

    async def work() -> Protected:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.protect(tenant_id, name, keep=keep, url=url, apply=not dry_run)

    done = run(work())
    for statement in done.statements:
        note(printable(f"{statement};"))
    status = _tell(done, as_json=as_json)
    if status is Exit.OK and dry_run:
        note("Nothing was changed: this is what --apply does.")
    elif done.applied:
        note("Protected. The administrator's address is forgotten.")
    return status


@command.command("check")
@with_settings
@click.argument("name")
@of_tenant
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def check(
    config_file: Path | None, data_dir: Path | None, name: str, tenant: str, as_json: bool
) -> int:
    """
    Read the rights of the login back and try to cross; exit 3 when something is found.

    Nobody can ask a source that did not hold until 'meterr source protect' has mended it.
    """
    settings = configuration(config_file, data_dir).settings

    async def work() -> Protected:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.check(tenant_id, name)

    return _tell(run(work()), as_json=as_json)


@command.command("words")
@with_settings
@click.argument("name")
@of_tenant
@click.option("--file", type=_url_file, required=True, help="TOML; empty: none. - reads stdin.")
def words(
    config_file: Path | None, data_dir: Path | None, name: str, tenant: str, file: Path
) -> None:
    """
    Tell a model what the tables of NAME mean: units, synonyms, joins, metrics.

    Values of a column that you list are shown to the model, too; nothing else of a row ever is.
    Replaces what was told before.
    """
    settings = configuration(config_file, data_dir).settings
    text = _read(file, _WORDS_CHARS_MAX).get_secret_value()

    async def work() -> Words:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.put_words(tenant_id, name, text)

    told = run(work())
    shared = [c for relation in told.relations for c in relation.columns if c.values]
    counts = f"{len(told.relations)} tables, {len(told.metrics)} metrics, {len(told.joins)} joins"
    note(f"Told of {counts}. Columns whose listed values a model sees: {len(shared)}.")


@command.command("list")
@with_settings
@of_tenant
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(config_file: Path | None, data_dir: Path | None, tenant: str, as_json: bool) -> None:
    """List the tenant's own sources."""
    settings = configuration(config_file, data_dir).settings

    async def work() -> list[Source]:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.list(tenant_id)

    items = [_item(source) for source in run(work())]
    write_list("meterr.sources/1", items, _COLUMNS, choose(as_json=as_json))


@command.command("remove")
@with_settings
@click.argument("name")
@of_tenant
def remove(config_file: Path | None, data_dir: Path | None, name: str, tenant: str) -> None:
    """Forget the source NAME. Its database keeps the policies; the login is named, to drop it."""
    settings = configuration(config_file, data_dir).settings

    async def work() -> str | None:
        async with _book(settings, tenant) as (book, tenant_id):
            return await book.remove(tenant_id, name)

    login = run(work())
    note(f"The source {name} is gone.")
    if login is not None:
        note(f"Drop its login in its database: drop owned by {login}; drop role {login};")


@asynccontextmanager
async def _book(settings: Settings, tenant: str) -> AsyncIterator[tuple[SourceBook, str]]:
    async with open_database(settings) as db:
        found = await identity.find_tenant(db, tenant)
    async with open_source_book(settings, database_url(settings)) as book:
        yield book, found.tenant_id


def _read(file: Path, chars_max: int = _READ_CHARS_MAX) -> SecretStr:
    if str(file) == "-":
        return SecretStr(sys.stdin.read(chars_max))
    with file.open(encoding="utf-8", errors="replace") as opened:
        return SecretStr(opened.read(chars_max))


def _item(source: Source) -> dict[str, object]:
    shape, checked = source.shape, source.checked_at_ms
    by_column = f"{shape.tenant_column} = {shape.tenant_value}"
    state = "not protected" if source.protected_at_ms is None else "protected"
    return {
        "name": source.name,
        "database": source.place,
        "tables": [table.shown() for table in shape.tables],
        "rows": "all" if shape.tenant_column is None else by_column,
        "state": "does not hold" if source.holes else state,
        "mode": None if source.protected_at_ms is None else "B",
        "checked_at": None if checked is None else iso(checked),
        "created_at": iso(source.created_at_ms),
        "created_by": source.created_by,
    }


def _tell(done: Protected, *, as_json: bool) -> Exit:
    crossed = () if done.crossing is None else done.crossing.crossed
    items = [
        *({"kind": p.kind, "name": p.name, "meaning": p.meaning} for p in done.problems),
        *({"kind": "crossed", "name": each, "meaning": "it let the login in"} for each in crossed),
    ]
    tried = 0 if done.crossing is None else len(done.crossing.tried)
    write_list(
        "meterr.source.protection/1", items, ("kind", "name", "meaning"), choose(as_json=as_json),
        applied=done.applied, tried=tried, with_others=done.with_others,
        statements=list(done.statements),
    )  # fmt: skip
    if done.crossing is not None:
        note(f"Tried {tried} ways to other rows; {len(crossed)} crossed.")
    if crossed and done.statements:
        note("What was made is undone.")
    return Exit.FINDINGS if items else Exit.OK
