"""One database per file of tests, and the command line that points at it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import EmbeddedPostgres
from support import server
from support.command_line import PEPPER, CommandLine


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Name of a fresh, migrated database that the tests of one file share."""
    name = f"cli_{uuid.uuid4().hex}"
    server.create_database(postgres.admin_dsn, name, server.TEMPLATE)
    yield name
    server.drop_database(postgres.admin_dsn, name)


@pytest.fixture(scope="module")
def dsn(postgres: EmbeddedPostgres, database: str) -> str:
    """How meterr logs in."""
    return make_conninfo(postgres.dsn, dbname=database)


@pytest.fixture(scope="module")
def admin(postgres: EmbeddedPostgres, database: str) -> str:
    """How a superuser logs in, to plant faults."""
    return make_conninfo(postgres.admin_dsn, dbname=database)


@pytest.fixture(scope="module")
def meterr(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The command line of an operator of that database."""
    folder = tmp_path_factory.mktemp("operator")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "METERR_DATABASE_URL": dsn,
        "METERR_KEY_PEPPER": PEPPER,
        "METERR_DATA_DIR": str(folder / "data"),
    }
    return CommandLine(environment, Path(folder))
