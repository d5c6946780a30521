"""The SQL of sources: one function holds one statement and no decision."""

from typing import Final

import msgspec
from psycopg.rows import kwargs_row

from meterr.core.db import Connection
from meterr.core.sql import load_sql
from meterr.query.protection import Shape, told
from meterr.query.sources.describing import Line
from meterr.query.sources.kept import Source

_SQL: Final = load_sql("meterr.query.sources")


async def put_source(
    connection: Connection,
    tenant_id: str,
    name: str,
    url: bytes,
    place: str,
    shape: Shape,
    created_by: str,
) -> bool:
    """Return whether it was put: not over one that is there."""
    values = {
        "tenant_id": tenant_id, "name": name, "url": url, "place": place,
        "shape": msgspec.json.encode(shape).decode(), "created_by": created_by,
    }  # fmt: skip
    return (await connection.execute(_SQL["put_source"], values)).rowcount == 1


async def list_sources(connection: Connection, tenant_id: str) -> list[Source]:
    async with connection.cursor(row_factory=kwargs_row(_source)) as cursor:
        await cursor.execute(_SQL["list_sources"], {"tenant_id": tenant_id})
        return await cursor.fetchall()


def _source(*, shape: object, **rest: object) -> Source:
    return Source(shape=msgspec.convert(shape, Shape), **rest)  # type: ignore[arg-type]  # the statement's own columns


async def read_url(connection: Connection, tenant_id: str, name: str) -> bytes | None:
    values = {"tenant_id": tenant_id, "name": name}
    row = await (await connection.execute(_SQL["read_url"], values)).fetchone()
    return None if row is None else bytes(row[0])  # type: ignore[call-overload]  # bytea comes as bytes


async def put_login(connection: Connection, tenant_id: str, name: str, url: bytes) -> bool:
    """Return whether the source was still there."""
    values = {"tenant_id": tenant_id, "name": name, "url": url}
    return (await connection.execute(_SQL["put_login"], values)).rowcount == 1


async def put_check(connection: Connection, tenant_id: str, name: str, holes: int) -> None:
    values = {"tenant_id": tenant_id, "name": name, "holes": holes}
    await connection.execute(_SQL["put_check"], values)


async def put_words(connection: Connection, tenant_id: str, name: str, words: str) -> None:
    values = {"tenant_id": tenant_id, "name": name, "words": words}
    await connection.execute(_SQL["put_words"], values)


async def remove_source(connection: Connection, tenant_id: str, name: str) -> bool:
    """Return whether there was one."""
    values = {"tenant_id": tenant_id, "name": name}
    return (await connection.execute(_SQL["remove_source"], values)).rowcount == 1


async def describe(connection: Connection, shape: Shape) -> list[Line]:
    tables = msgspec.json.encode(shape.tables).decode()
    return await told(connection, _SQL["describe"], {"tables": tables}, Line)
