"""Forward-only migrations: each file once, in order, in its own transaction, under one lock."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import ClassVar, LiteralString

import psycopg
from psycopg.rows import class_row

from meterr.core import outage
from meterr.core.db import Connection, Role, connect
from meterr.core.errors import MeterrError
from meterr.core.sql import load_sql

_SQL = load_sql("meterr.core")
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_STATEMENT_TIMEOUT_S = 15 * 60


class SchemaMismatch(MeterrError):
    """The database's schema is not the one this meterr was made for."""

    code: ClassVar[str] = "schema-mismatch"
    status: ClassVar[int] = 503
    title: ClassVar[str] = "Schema mismatch"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of schema/migrations."""

    version: int
    name: str
    text: LiteralString

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of meterr.schema_migration."""

    version: int
    name: str
    sha256: str


async def migrate(dsn: str) -> list[str]:
    """
    Bring the database at ``dsn`` up to date and return the names applied by this call.

    Creates the group roles first. Any number of processes may call it at once: they take turns, one
    migration each. Raises SchemaMismatch when the database is not an older state of this schema,
    or when the login may not do what is needed; DatabaseUnavailable when it cannot be reached.
    """
    known = read_migrations()
    connection = await connect(dsn, None, statement_timeout_s=_STATEMENT_TIMEOUT_S, autocommit=True)
    async with connection:
        try:
            return await _apply_all(connection, known)
        except psycopg.errors.InsufficientPrivilege as error:
            raise SchemaMismatch(
                f"The database login {connection.info.user!r} may not prepare the database "
                f"({_message(error)}). Let an administrator run schema/roles.sql once with "
                "meterr.login set to that login, or give it CREATEROLE and own the database."
            ) from error
        except psycopg.Error as error:
            if outage.is_outage(error, closed=connection.closed):
                raise outage.of(error) from error
            raise SchemaMismatch(
                f"The database cannot be prepared: {_message(error)}. The step was undone."
            ) from error


async def check(dsn: str) -> None:
    """Raise SchemaMismatch unless the database at ``dsn`` is exactly at this code's version."""
    known = read_migrations()
    connection = await connect(dsn, Role.APP)
    async with connection:
        try:
            applied = await _applied(connection)
        except psycopg.Error as error:
            if outage.is_outage(error, closed=connection.closed):
                raise outage.of(error) from error
            raise SchemaMismatch(
                f"The schema meterr is there but not meterr's own ({_message(error)})."
            ) from error
    if missing := pending(known, applied):
        raise SchemaMismatch(
            f"The database is at version {len(applied)} and this meterr needs {len(known)}: "
            f"{', '.join(m.name for m in missing)} not applied yet. Run 'meterr db migrate' first."
        )


def roles_sql() -> LiteralString:
    """Return roles.sql: for the session's login, or the one in the setting ``meterr.login``."""
    return resources.files("meterr.schema").joinpath("roles.sql").read_text(encoding="utf-8")


def read_migrations() -> tuple[Migration, ...]:
    """Read the migrations this code knows, by rising version, without a gap."""
    folder = resources.files("meterr.schema").joinpath("migrations")
    found = []
    for file in folder.iterdir():
        if match := _FILE.fullmatch(file.name):
            name = f"{match[1]}_{match[2]}"
            found.append(Migration(int(match[1]), name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in found]
    if not found or versions != list(range(1, len(found) + 1)):
        raise SchemaMismatch(f"This meterr is incomplete: it carries the migrations {versions}.")
    return tuple(found)


def pending(known: Sequence[Migration], applied: Sequence[Applied]) -> Sequence[Migration]:
    """Return what is still to apply. Raises SchemaMismatch unless ``applied`` begins ``known``."""
    if len(applied) > len(known):
        raise SchemaMismatch(
            f"The database is at version {applied[-1].version}, newer than this meterr, which "
            f"knows {len(known)}. Run the newer meterr; migrations never go back."
        )
    for position, row in enumerate(applied, start=1):
        ours = known[position - 1]
        if row.version != position:
            raise SchemaMismatch(f"The database lacks migration {position} but has {row.name}.")
        if (row.name, row.sha256) != (ours.name, ours.sha256):
            raise SchemaMismatch(
                f"Migration {row.name} was applied with another content than this meterr's "
                f"{ours.name}. One of the two was edited after the fact."
            )
    return known[len(applied) :]


async def _apply_all(connection: Connection, known: Sequence[Migration]) -> list[str]:
    done: list[str] = []
    while True:
        async with connection.transaction():
            # Taken anew each time: the lock ends with the transaction, so it also holds through a
            # pooler, and another process may have moved on in between.
            await connection.execute(_SQL["lock_migrations"])
            if not done:
                await connection.execute(roles_sql())
            await connection.execute(_SQL["become_owner"])
            todo = pending(known, await _applied(connection))
            if not todo:
                return done
            await _apply(connection, todo[0])
            done.append(todo[0].name)


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.text)
    await connection.execute(
        _SQL["record_migration"],
        {"version": migration.version, "name": migration.name, "sha256": migration.sha256},
    )


async def _applied(connection: Connection) -> list[Applied]:
    present = await (await connection.execute(_SQL["has_migration_table"])).fetchone()
    if present is None or not present[0]:
        return []
    async with connection.cursor(row_factory=class_row(Applied)) as cursor:
        return await (await cursor.execute(_SQL["list_applied"])).fetchall()


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)
