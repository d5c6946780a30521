"""Fixtures of the whole house: one real PostgreSQL per run, one fresh database per test."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.postgres import EmbeddedPostgres
from support import server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how long the attacks of tests/attack go on, and from which seed."""
    group = parser.getgroup("attack")
    group.addoption("--rounds", type=int, help="rounds of each seeded attack [30; budgets: 20]")
    group.addoption("--seed", type=int, default=20261122, help="seed of the first round")


def pytest_configure() -> None:
    """
    Say the same everywhere, whatever the shell or the machine.

    Ctrl+C reaches processes of tests: what a shell starts with ``&`` inherits it ignored. And a
    slow machine is no counterexample: Hypothesis times no example, also where CI is not set.
    """
    slow = [HealthCheck.too_slow]
    settings.register_profile("house", settings(), deadline=None, suppress_health_check=slow)
    settings.load_profile("house")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running embedded server with a migrated template database."""
    with server.open_fast(server.newest_binaries()) as running:
        server.prepare_template(running)
        yield running


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """DSN of a fresh, migrated database; its login is a plain member of meterr's group roles."""
    name = f"test_{uuid.uuid4().hex}"
    server.create_database(postgres.admin_dsn, name, server.TEMPLATE)
    yield make_conninfo(postgres.dsn, dbname=name)
    server.drop_database(postgres.admin_dsn, name)


@pytest.fixture
def admin_dsn(postgres: EmbeddedPostgres, database_url: str) -> str:
    """DSN of the same database as superuser."""
    name = conninfo_to_dict(database_url)["dbname"]
    return make_conninfo(postgres.admin_dsn, dbname=name)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """DSN of a database without any schema, owned by the login."""
    name = f"empty_{uuid.uuid4().hex}"
    server.create_database(postgres.admin_dsn, name)
    yield make_conninfo(postgres.dsn, dbname=name)
    server.drop_database(postgres.admin_dsn, name)


@pytest.fixture
def data_root() -> Iterator[Path]:
    """A directory that an embedded server's own user can reach, unlike ``tmp_path`` under root."""
    with server.open_directory() as root:
        yield root
