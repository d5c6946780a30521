"""The SQL of the walls: one function holds one statement and no decision."""

import hashlib
from dataclasses import dataclass
from typing import Final

from psycopg import sql
from psycopg.rows import class_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql

_SQL: Final = load_sql("meterr.query.walls")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a tenant that wants to ask."""

    active: bool
    role_name: str | None
    password: bytes | None


@dataclass(frozen=True, slots=True)
class Locked:
    """A tenant's login, held by this transaction, and how many sessions it has."""

    role_name: str
    password: bytes
    sessions: int


@dataclass(frozen=True, slots=True)
class Hardener:
    """Who is connected, as far as hardening is concerned."""

    superuser: bool
    may_make_roles: bool
    migrated: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of the functions that make logins."""

    digest: str | None
    ours: bool | None


async def read_tenant(connection: Connection, tenant_id: str) -> Kept | None:
    async with connection.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(_SQL["read_tenant"], {"tenant_id": tenant_id})
        return await cursor.fetchone()


async def add_role(connection: Connection, tenant_id: str, role_name: str, password: bytes) -> bool:
    """Return whether it was added; False when another process was faster."""
    values = {"tenant_id": tenant_id, "role_name": role_name, "password": password}
    cursor = await connection.execute(_SQL["add_role"], values)
    return await cursor.fetchone() is not None


async def put_password(
    connection: Connection, tenant_id: str, role_name: str, password: bytes
) -> None:
    values = {"tenant_id": tenant_id, "role_name": role_name, "password": password}
    await connection.execute(_SQL["put_password"], values)


async def lock_role(connection: Connection, tenant_id: str) -> Locked | None:
    async with connection.cursor(row_factory=class_row(Locked)) as cursor:
        await cursor.execute(_SQL["lock_role"], {"tenant_id": tenant_id})
        return await cursor.fetchone()


async def count_sessions(connection: Connection, role_name: str) -> int:
    cursor = await connection.execute(_SQL["count_sessions"], {"role_name": role_name})
    row = await cursor.fetchone()
    return 0 if row is None else int(str(row[0]))


async def count_few_rounds(connection: Connection) -> None:
    """Let verifiers of this transaction be quick to check."""
    await connection.execute(_SQL["count_few_rounds"])


async def make_login(connection: Connection, role_name: str, verifier: str) -> None:
    await connection.execute(_SQL["make_login"], {"role_name": role_name, "verifier": verifier})


async def is_only_a_reader(connection: Connection, login: str) -> bool:
    cursor = await connection.execute(_SQL["is_only_a_reader"], {"login": login})
    row = await cursor.fetchone()
    return row is not None and row[0] is True


async def sign_token(connection: Connection, tenant_id: str, backend: int, seconds: int) -> str:
    values = {"tenant_id": tenant_id, "backend": backend, "seconds": seconds}
    row = await (await connection.execute(_SQL["sign_token"], values)).fetchone()
    return "" if row is None else str(row[0])


async def begin_hardening(connection: Connection) -> None:
    await connection.execute(_SQL["begin_hardening"])


async def who_hardens(connection: Connection) -> Hardener:
    async with connection.cursor(row_factory=class_row(Hardener)) as cursor:
        await cursor.execute(_SQL["who_hardens"])
        (found,) = await cursor.fetchall()
        return found


async def allowed_functions(
    connection: Connection, functions: list[str], operators: list[str], types: list[str]
) -> list[int]:
    """Return the ids of the functions that questions may call."""
    values = {"functions": functions, "operators": operators, "types": types}
    cursor = await connection.execute(_SQL["allowed_functions"], values)
    return [int(str(oid)) for (oid,) in await cursor.fetchall()]


async def plan(connection: Connection, allowed: list[int], reader_login: str) -> list[str]:
    """Return the statements that harden this database, in order; none when it is."""
    found: list[str] = []
    for name in ("plan_functions", "plan_relations", "plan_places"):
        values = {"allowed": allowed, "reader_login": reader_login}
        cursor = await connection.execute(_SQL[name], values)
        found += [str(statement) for _, statement in await cursor.fetchall()]
    return found


async def apply(connection: Connection, statement: str) -> None:
    """Run a statement of ``plan``: the server itself quoted every name in it."""
    await connection.execute(statement.encode())


async def walls_made(connection: Connection) -> Made:
    async with connection.cursor(row_factory=class_row(Made)) as cursor:
        await cursor.execute(_SQL["walls_made"])
        (found,) = await cursor.fetchall()
        return found


async def make_walls(connection: Connection) -> None:
    await connection.execute(_SQL["make_walls"])
    note = sql.SQL(_SQL["note_walls"]).format(digest=sql.Literal(walls_digest()))
    await connection.execute(note)


def walls_digest() -> str:
    """Return what a schema says that this very script made."""
    return "meterr " + hashlib.sha256(_SQL["make_walls"].encode()).hexdigest()


async def remaining(
    connection: Connection, allowed: list[int], reader_login: str
) -> list[tuple[str, str]]:
    """Return (kind, name) of everything that questions could do all the same."""
    values = {"allowed": allowed, "reader_login": reader_login}
    cursor = await connection.execute(_SQL["remaining"], values)
    return [(str(kind), str(name)) for kind, name in await cursor.fetchall()]
