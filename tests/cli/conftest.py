"""One database per file of tests, the command line that points at it, and a backup of another."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pyrage
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import EmbeddedPostgres
from support import server
from support.backups import BACKED_UP, BACKUP_CANARY, BACKUP_KEY, PEPPER_ID
from support.command_line import PEPPER, CommandLine
from support.rows import fill


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


@pytest.fixture(scope="module")
def age_identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def identity_file(tmp_path: Path, age_identity: pyrage.x25519.Identity) -> Path:
    file = tmp_path / "identity"
    file.write_text(f"# created: today\n{age_identity}\n")
    file.chmod(0o400)
    return file


@pytest.fixture
def operator(meterr: CommandLine, database_url: str, admin_dsn: str, tmp_path: Path) -> CommandLine:
    """An operator of a database of the test's own, with rows in every table."""
    with psycopg.connect(admin_dsn) as connection:
        fill(connection, BACKED_UP)
        connection.execute("update meterr.tenant set name = %s", [BACKUP_CANARY])
        connection.execute("update meterr.api_key set pepper_id = %s", [PEPPER_ID])
        connection.execute(
            "update meterr.key_encryption_key set verifier = %s", [BACKUP_KEY.verifier]
        )
    settings = {
        "METERR_DATABASE_URL": database_url,
        "METERR_DATABASE_ADMIN_URL": admin_dsn,
        "METERR_KEY_ENCRYPTION_KEY": BACKUP_KEY.text(),
        "METERR_POSTGRES_BIN": str(server.newest_binaries() or ""),
    }
    return replace(meterr, environment={**meterr.environment, **settings}, folder=tmp_path)


@pytest.fixture
def other(postgres: EmbeddedPostgres) -> Iterator[tuple[str, str]]:
    """A database without a schema: login and superuser."""
    name = f"other_{os.urandom(6).hex()}"
    server.create_database(postgres.admin_dsn, name)
    yield make_conninfo(postgres.dsn, dbname=name), make_conninfo(postgres.admin_dsn, dbname=name)
    server.drop_database(postgres.admin_dsn, name)


@pytest.fixture
def made(operator: CommandLine, age_identity: pyrage.x25519.Identity) -> Path:
    """A backup of the operator's database."""
    file = operator.folder / "meterr.age"
    operator.ok("db", "backup", str(file), "--recipient", str(age_identity.to_public()))
    return file


@pytest.fixture
def stranger(admin_dsn: str) -> Iterator[str]:
    """A login of this database that is no member of any role of ours."""
    name = f"stranger_{os.urandom(4).hex()}"
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password 'x'").format(sql.Identifier(name))
        )
    yield make_conninfo(admin_dsn, user=name, password="x")
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
