"""``meterr config``: what is in force, and why."""

from pathlib import Path

import click

from meterr.cli.context import configuration, with_settings
from meterr.cli.output import choose, write_list
from meterr.core.configuration import explained


@click.group("config")
def command() -> None:
    """Show the settings in force and where they come from."""


@command.command("show")
@with_settings
@click.option("--explain", is_flag=True, help="Name the source of each value.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def show(config_file: Path | None, data_dir: Path | None, explain: bool, as_json: bool) -> None:
    """
    Show every setting with secrets masked; exit 2 when the configuration is wrong.

    Flags win over METERR_* variables, these over the file, the file over defaults.
    """
    found = explained(configuration(config_file, data_dir))
    items = [{"setting": name, "value": value, "source": source} for name, value, source in found]
    columns = ("setting", "value", "source") if explain else ("setting", "value")
    if not explain:
        for item in items:
            del item["source"]
    write_list("meterr.config/1", items, columns, choose(as_json=as_json))
