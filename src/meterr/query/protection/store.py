"""The SQL that is run in a tenant's own database: one function holds one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import msgspec
from psycopg import sql

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.query.protection.connecting import SourceUnavailable
from meterr.query.protection.model import Problem, Step
from meterr.query.protection.shape import Shape, Table
from meterr.query.protection.told import told

_SQL: Final = load_sql("meterr.query.protection")


@dataclass(frozen=True, slots=True)
class Protector:
    """Who is connected, and the role that reads here already if there is one."""

    superuser: bool
    may_make_roles: bool
    reader: str | None


@dataclass(frozen=True, slots=True)
class Type:
    """A type's name, quoted by the server itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way to a row that is not one's own."""

    what: str
    before: list[str]
    probe: str


async def begin_protecting(connection: Connection) -> None:
    await connection.execute(_SQL["begin_protecting"])


async def begin_reading(connection: Connection) -> None:
    await connection.execute(_SQL["begin_reading"])


async def who_protects(connection: Connection) -> Protector:
    found = await told(connection, _SQL["who_protects"], {}, Protector)
    if len(found) != 1:
        raise SourceUnavailable("answer")
    return found[0]


async def problems(
    connection: Connection, shape: Shape, keep: Sequence[str]
) -> tuple[Problem, ...]:
    values = {**_wanted(shape), "keep": list(keep)}
    return tuple(await told(connection, _with_wanted("problems"), values, Problem))


async def plan(
    connection: Connection,
    shape: Shape,
    keep: Sequence[str],
    login: str,
    reader: str,
    verifier: str,
) -> tuple[Step, ...]:
    values = {
        **_wanted(shape),
        "keep": list(keep),
        "login": login,
        "reader": reader,
        "verifier": verifier,
        "tenant_value": shape.tenant_value,
    }
    return tuple(await told(connection, _with_wanted("plan"), values, Step))


async def run(connection: Connection, statement: str) -> None:
    """Run a statement of ``plan`` or ``attempts``: the server itself quoted every name in it."""
    await connection.execute(statement.encode())


async def shut_out(connection: Connection, login: str) -> None:
    await connection.execute(sql.SQL(_SQL["shut_out"]).format(login=sql.Identifier(login)))


async def brings_a_row(connection: Connection, probe: str) -> bool:
    found = (await connection.execute(probe.encode())).pgresult
    return found is not None and found.ntuples > 0


async def forget_session(connection: Connection) -> None:
    await connection.execute(_SQL["forget_session"])


async def tenant_types(connection: Connection, shape: Shape) -> list[LiteralString]:
    """Return the names of types, quoted by the server itself."""
    found = await told(connection, _with_wanted("tenant_types"), _wanted(shape), Type)
    return [each.name for each in found]


async def value_fits(connection: Connection, value: str, type_name: LiteralString) -> None:
    """Raise psycopg.DataError when the value is none of the type."""
    await connection.execute(
        sql.SQL(_SQL["value_fits"]).format(value=sql.Literal(value), type=_quoted(type_name))
    )


async def a_foreign_value(connection: Connection, shape: Shape, table: Table) -> str | None:
    statement = sql.SQL(_SQL["a_foreign_value"]).format(
        column=sql.Identifier(shape.tenant_column or ""),
        table=sql.Identifier(table.schema, table.name),
        value=sql.Literal(shape.tenant_value),
    )
    found = (await connection.execute(statement)).pgresult
    text = found.get_value(0, 0) if found is not None and found.ntuples else None
    return None if text is None else text.decode("utf-8", "replace")


async def holes(connection: Connection, shape: Shape, login: str) -> tuple[Problem, ...]:
    values = {**_wanted(shape), "login": login}
    return tuple(await told(connection, _with_wanted("holes"), values, Problem))


async def attempts(connection: Connection, shape: Shape, other: str | None) -> list[Attempt]:
    values = {**_wanted(shape), "tenant_value": shape.tenant_value, "other": other}
    return await told(connection, _with_wanted("attempts"), values, Attempt)


def _with_wanted(name: str) -> LiteralString:
    return _SQL["wanted"] + "\n" + _SQL[name]


def _wanted(shape: Shape) -> dict[str, object]:
    tables = msgspec.json.encode(shape.tables).decode()
    return {"tables": tables, "tenant_column": shape.tenant_column}


def _quoted(name: LiteralString) -> sql.SQL:
    """Take a name as the server quoted it."""
    return sql.SQL(name)
