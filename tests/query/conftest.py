"""The demo's tables on a real PostgreSQL, once per run."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString, cast

import psycopg
import pytest
from benign_questions import FOLDER, demo_catalogue
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import EmbeddedPostgres
from meterr.query import Catalogue
from support import server
from support.shop import Shop, add_tenants, open_shop


def load_demo(running: EmbeddedPostgres) -> str:
    """Create a database with the demo's tables and return the superuser's DSN of it."""
    name = f"demo_{uuid.uuid4().hex}"
    server.create_database(running.admin_dsn, name)
    dsn = make_conninfo(running.admin_dsn, dbname=name)
    script = cast("LiteralString", (FOLDER / "demo.sql").read_text())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create extension if not exists plpgsql")
        connection.execute(script)
    return dsn


@pytest.fixture(scope="session")
def demo_dsn(postgres: EmbeddedPostgres) -> str:
    """DSN of the superuser: what the server itself makes of a statement, with no wall before it."""
    return load_demo(postgres)


@pytest.fixture(scope="session")
def demo_session(demo_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(demo_dsn) as connection:
        connection.execute("set statement_timeout = '5s'")
        connection.commit()
        yield connection


@pytest.fixture
def demo(demo_session: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A transaction over the demo's tables, ended without a trace."""
    yield demo_session
    demo_session.rollback()


@pytest.fixture(scope="session", params=server.every_directory(), ids=lambda path: path.parent.name)
def every_demo_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same on every PostgreSQL that this machine has."""
    binaries: Path = request.param
    with server.open_fast(binaries) as running:
        yield load_demo(running)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return demo_catalogue()


@pytest.fixture
def shop(postgres: EmbeddedPostgres) -> Iterator[Shop]:
    with open_shop(postgres) as opened:
        yield opened


@pytest.fixture
def house(database_url: str, admin_dsn: str) -> str:
    """meterr's own database, with both tenants."""
    add_tenants(admin_dsn)
    return database_url
