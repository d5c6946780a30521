"""``meterr query``: the walls in the database between tenants that ask, and saved questions."""

from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict

from meterr.cli.administrator import administrator
from meterr.cli.context import checked_reader, configuration, run, with_settings
from meterr.cli.exits import Exit
from meterr.cli.output import choose, note, write_list
from meterr.cli.query_saved import list_, remove, save
from meterr.core.settings import Settings
from meterr.query.walls import Hardening, Mode, harden

_COLUMNS = ("kind", "count", "examples")
_MEANING = {
    Mode.A: "every tenant has its own login, which can call nothing but what computes",
    Mode.B: "every tenant has its own login; the guard alone keeps it from what is listed",
    Mode.C: "one login for all tenants; a signed token says which one",
    Mode.NONE: "not set up: run 'meterr query harden --apply'",
}


@click.group("query")
def command() -> None:
    """Set up, and look at, the walls between tenants that ask; keep confirmed questions."""


command.add_command(save)
command.add_command(list_)
command.add_command(remove)


@command.command("harden")
@with_settings
@click.option("--dry-run/--apply", default=True, show_default=True, help="Show only, or do it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def harden_(config_file: Path | None, data_dir: Path | None, dry_run: bool, as_json: bool) -> int:
    """
    Take from tenants' logins all that does more than compute; in one transaction.

    Nobody else loses anything: every other role of the server first gets by name what everybody
    had. Then the rights are read back; exit 3 when something remains. Repeat it after an upgrade of
    PostgreSQL, and when roles were added to the server. Needs a superuser for all of it
    (METERR_DATABASE_ADMIN_URL; the embedded server has one), CREATEROLE for the logins alone.
    """
    settings = configuration(config_file, data_dir).settings
    found = _hardening(settings, apply=not dry_run)
    for statement in found.statements:
        note(statement)
    note(_count(found, dry_run=dry_run))
    return _tell(found, as_json=as_json)


@command.command("status")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def status(config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Read the rights back: the mode, and what a tenant's login could do. Exit 3 unless A."""
    settings = configuration(config_file, data_dir).settings
    return _tell(_hardening(settings, apply=False), as_json=as_json)


def _hardening(settings: Settings, *, apply: bool) -> Hardening:
    reader = checked_reader(settings)
    login = str(conninfo_to_dict(reader).get("user") or "")
    with administrator(settings, running_ok=True) as dsn:
        return run(harden(dsn, apply=apply, reader_login=login))


def _count(found: Hardening, *, dry_run: bool) -> str:
    if not found.statements:
        return "All is in place; there is nothing to change."
    word = "would change" if dry_run else "changed"
    return f"{len(found.statements)} statements {word} this database."


def _tell(found: Hardening, *, as_json: bool) -> int:
    items = [
        {"kind": each.kind, "count": each.count, "examples": list(each.examples)}
        for each in found.remaining
    ]
    format_ = choose(as_json=as_json)
    write_list("meterr.query.walls/1", items, _COLUMNS, format_, mode=found.mode.value)
    note(f"Mode {found.mode}: {_MEANING[found.mode]}.")
    return Exit.OK if found.mode is Mode.A else Exit.FINDINGS
