"""The SQL around backups, on an administrator's connection."""

from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import class_row

from meterr.core.backup.errors import BackupRefused
from meterr.core.backup.keys import Needs
from meterr.core.migrate import roles_sql
from meterr.core.sql import load_sql

_SQL: Final = load_sql("meterr.core.backup")
_CONNECT_TIMEOUT_S = 10

Admin = Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a login, and whether that login may read every row."""

    major: int
    sees_every_row: bool


@dataclass(frozen=True, slots=True)
class Others:
    """Sessions of one login from one address, "" for a local one."""

    login: str
    address: str
    sessions: int


def connect(dsn: str) -> Admin:
    """Open a connection. Raises BackupRefused, without the address, when there is none."""
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S)
    except psycopg.Error as error:
        first = str(error).strip().partition("\n")[0]
        raise BackupRefused(f"the database cannot be reached: {first}") from None


def server(connection: Admin) -> Server:
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        (found,) = cursor.execute(_SQL["server"]).fetchall()
        return found


def tables(connection: Admin) -> list[str]:
    """Return the names of all tables of the schema meterr but the one of migrations."""
    return [str(name) for (name,) in connection.execute(_SQL["tables"]).fetchall()]


def needs(connection: Admin) -> Needs:
    with connection.cursor(row_factory=class_row(Needs)) as cursor:
        (found,) = cursor.execute(_SQL["needs"]).fetchall()
        return found


def see_every_row(connection: Admin) -> None:
    connection.execute(_SQL["see_every_row"])


def has_rows(connection: Admin, table: str) -> bool:
    statement: LiteralString = _SQL["has_rows"]
    row = connection.execute(sql.SQL(statement).format(table=sql.Identifier(table))).fetchone()
    return row is not None and row[0] is True


def other_sessions(connection: Admin) -> list[Others]:
    """Return who else is connected and can act as a role of ours."""
    with connection.cursor(row_factory=class_row(Others)) as cursor:
        return cursor.execute(_SQL["other_sessions"]).fetchall()


def make_roles(connection: Admin, login: str) -> None:
    """Make the group roles that a restored schema belongs to, for ``login``."""
    connection.execute(_SQL["roles_are_for"], {"login": login})
    connection.execute(roles_sql())


def before_script() -> bytes:
    """Return what is said before the dump's own script."""
    return f"{_SQL['before_script']}\n".encode()


def after_script() -> bytes:
    """Return what is said after it, once all of it was good."""
    others = _SQL["other_sessions"].rstrip(";")
    return f"\n{_SQL['after_script'].replace('{other_sessions}', others)}\n".encode()
