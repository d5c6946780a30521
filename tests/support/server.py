"""A real PostgreSQL for the tests, and cheap databases on it."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import ObjectInUse

from meterr.core.migrate import migrate, roles_sql
from meterr.core.postgres import EmbeddedPostgres
from meterr.core.postgres.binaries import OLDEST_MAJOR, wheel_directories
from meterr.core.postgres.prepare import LOGIN
from meterr.query.walls import harden

__all__ = [
    "FAST",
    "STILL",
    "TEMPLATE",
    "create_database",
    "drop_database",
    "every_directory",
    "newest_binaries",
    "open_directory",
    "open_fast",
    "prepare_template",
    "roles_sql",
]

TEMPLATE = "meterr_template"
_DROPS = 12
_MEMORY = Path("/dev/shm")
_PLENTY_BYTES = 8 * 1024**3
# Nothing here outlives the run; crash tests start their own server, with fsync on.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
STILL = {**FAST, "autovacuum": "off"}
"""For tests that compare catalogues: after a minute the server itself would count rows anew."""


@contextmanager
def open_fast(
    binaries: Path | None, settings: Mapping[str, str] = FAST
) -> Iterator[EmbeddedPostgres]:
    """Yield a new server that keeps nothing: in memory, where there is plenty of it."""
    with (
        open_directory(_cheapest()) as root,
        EmbeddedPostgres(root, binaries, server_settings=settings) as running,
    ):
        yield running


@contextmanager
def open_directory(parent: Path = Path("/tmp")) -> Iterator[Path]:
    """
    Yield a directory that the server's user can reach.

    pytest's own temporary directories are closed to all but their owner, and a server started by
    root does not run as root.
    """
    path = Path(tempfile.mkdtemp(prefix="meterr-test-", dir=parent))
    try:
        path.chmod(0o711)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _cheapest() -> Path:
    """
    Return where files come and go at the least cost.

    A database is 400 files. Where thousands were deleted a moment ago, ext4 looks long for every
    new one: a test's own database took a third of a second. What a killed run leaves in memory
    stays there until somebody removes it, as on the disk.
    """
    plenty = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY_BYTES
    return _MEMORY if plenty else Path("/tmp")


def newest_binaries() -> Path | None:
    """Return the wheel's newest PostgreSQL, or None to take what the machine has."""
    return next(iter(wheel_directories()), None)


def every_directory() -> list[Path]:
    """Return the binary directory of every PostgreSQL >= 15 here, the wheel's first."""
    installed = [
        path
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if (path / "initdb").exists() and int(path.parent.name) >= OLDEST_MAJOR
    ]
    return [*wheel_directories(), *sorted(installed)]


def prepare_template(server: EmbeddedPostgres) -> None:
    """Make the migrated, hardened database that every test's own database is a copy of."""
    create_database(server.admin_dsn, TEMPLATE)
    asyncio.run(migrate(make_conninfo(server.dsn, dbname=TEMPLATE)))
    # As 'meterr up' does: whatever the tests do, they do with the rights that this leaves.
    asyncio.run(harden(make_conninfo(server.admin_dsn, dbname=TEMPLATE), apply=True))


def create_database(admin_dsn: str, name: str, template: str = "template0") -> None:
    """Create a database owned by the login, as a managed service would hand it out."""
    # A copy of files costs a quarter less than a copy through the log.
    statement = sql.SQL("create database {} template {} strategy file_copy owner {}").format(
        sql.Identifier(name), sql.Identifier(template), sql.Identifier(LOGIN)
    )
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(statement)


def drop_database(admin_dsn: str, name: str) -> None:
    """Drop a database, whoever is still connected: the server waits 5 s for them, each time."""
    statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        for attempt in range(_DROPS):
            try:
                connection.execute(statement)
            except ObjectInUse:
                if attempt == _DROPS - 1:
                    raise
            else:
                return
