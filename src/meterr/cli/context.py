"""What most commands start with: settings, and the database that they name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from meterr import identity
from meterr.app.deployment import database_url_file
from meterr.app.secret_settings import with_reader
from meterr.core.configuration import Configuration, ConfigurationError, load
from meterr.core.db import Database, Role
from meterr.core.events import OPERATOR, Reporter
from meterr.core.settings import Settings, environment
from meterr.identity.model import Tenant

DEFAULT_TENANT = "default"
of_tenant = click.option(
    "--tenant", default=DEFAULT_TENANT, show_default=True, help="Tenant, by name."
)
_Result = TypeVar("_Result")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def with_settings(command: _Command) -> _Command:
    """Add the options by which every command finds its settings."""
    for option in (
        click.option("--data-dir", type=click.Path(path_type=Path), help="Folder for state."),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            help="Configuration file [default: meterr.toml if it exists].",
        ),
    ):
        command = option(command)
    return command


def configuration(
    config_file: Path | None,
    data_dir: Path | None,
    *,
    reporter: Reporter | None = None,
    **flags: Any,
) -> Configuration:
    """
    Return the configuration; ``flags`` are settings with ``__`` for the dot.

    A ``reporter``, where somebody writes what it counts, hears of every secret that is read.

    Secrets that are kept elsewhere are read when somebody asks for their value, and not before.
    """
    named: Mapping[str, Any] = {name.replace("__", "."): value for name, value in flags.items()}
    given = {"data_dir": None if data_dir is None else data_dir.absolute(), **named}
    found = load(given, environment(), config_file)
    return replace(found, settings=with_reader(found.settings, environment(), reporter))


def database_url(settings: Settings) -> str:
    """Return the configured database, or the embedded one of a running ``meterr up``."""
    if settings.database_url is not None:
        return checked_dsn(settings.database_url)
    left = database_url_file(settings.data_dir)
    try:
        return left.read_text("utf-8").strip()
    except OSError:
        raise ConfigurationError(
            f"no database: start 'meterr up' with this data directory ({settings.data_dir}), or "
            "set METERR_DATABASE_URL"
        ) from None


def checked_dsn(secret: SecretStr, setting: str = "database_url") -> str:
    """Return the address if it is one; the error never repeats it, since it holds a password."""
    dsn = secret.get_secret_value()
    try:
        if conninfo_to_dict(dsn):
            return dsn
    except psycopg.ProgrammingError:
        pass
    raise ConfigurationError(
        f"{setting}: this is no PostgreSQL address; write postgresql://user:password@host/database"
    )


@asynccontextmanager
async def open_database(settings: Settings, role: Role = Role.APP) -> AsyncIterator[Database]:
    """Yield the database as the services' role, or another."""
    async with Database.open(database_url(settings), role, pool_size_max=1) as db:
        yield db


async def chosen_tenants(db: Database, name: str | None) -> list[Tenant]:
    """Return the tenant called ``name``, or all of them."""
    if name is not None:
        return [await identity.find_tenant(db, name)]
    return await identity.list_tenants(db)


def run(work: Awaitable[_Result]) -> _Result:
    """Run a command's asynchronous part; what it changes, the operator did."""

    async def awaited() -> _Result:
        return await work

    with OPERATOR.acts():
        return asyncio.run(awaited())
