"""``meterr db``: the schema."""

from pathlib import Path

import click

from meterr.cli.context import configuration, database_url, run, with_settings
from meterr.cli.output import note
from meterr.core import migrate as migration


@click.group("db")
def command() -> None:
    """Bring the database's schema up to this version."""


@command.command("migrate")
@with_settings
def migrate(config_file: Path | None, data_dir: Path | None) -> None:
    """
    Apply the migrations that are missing; safe to run from many hosts at once.

    The login in METERR_DATABASE_URL must be able to create roles, for the first time at least.
    """
    settings = configuration(config_file, data_dir).settings
    applied = run(migration.migrate(database_url(settings)))
    note(f"Applied {', '.join(applied)}." if applied else "The schema is up to date.")
