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
from psycopg.pq import Conninfo
from pydantic import SecretStr

from meterr import identity
from meterr.app.deployment import database_url_file
from meterr.app.secret_settings import with_reader
from meterr.core.configuration import Configuration, ConfigurationError, load
from meterr.core.database_address import proves_its_server
from meterr.core.db import Database, Role
from meterr.core.events import OPERATOR, Reporter
from meterr.core.settings import DatabaseTls, Settings, environment
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
        return checked_dsn(settings.database_url, settings.database_tls)
    left = database_url_file(settings.data_dir)
    try:
        return left.read_text("utf-8").strip()
    except OSError:
        raise ConfigurationError(
            f"no database: start 'meterr up' with this data directory ({settings.data_dir}), or "
            "set METERR_DATABASE_URL"
        ) from None


def checked_dsn(secret: SecretStr, tls: DatabaseTls, setting: str = "database_url") -> str:
    """
    Return the address if it is one, and if its server proves who it is where that is asked for.

    The error never repeats it, since it holds a password.
    """
    dsn = secret.get_secret_value()
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        raise ConfigurationError(
            f"{setting}: this is no PostgreSQL address; write "
            "postgresql://user:password@host/database"
        )
    if tls == "proven" and not proves_its_server(parts, _libpq_defaults()):
        raise ConfigurationError(
            f"{setting}: whoever answers at this address could pass for your PostgreSQL. Add "
            "sslmode=verify-full to it (and sslrootcert, if your own authority signed); or set "
            "METERR_DATABASE_TLS=any where nobody else can answer"
        )
    return dsn


def checked_reader(settings: Settings) -> str:
    """Return the address of the one login for questions, held to the same; "" where none is set."""
    reader = settings.query.reader_url
    return "" if reader is None else checked_dsn(reader, settings.database_tls, "query.reader_url")


def _libpq_defaults() -> dict[str, str]:
    """Return what libpq adds to an address, from PGHOST, PGSSLMODE and its other variables."""
    return {
        each.keyword.decode(): each.val.decode()
        for each in Conninfo.get_defaults()
        if each.val is not None
    }


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
