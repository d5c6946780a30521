"""Protect a tenant's own database: plan, apply, read back, try to cross; stand or be undone."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Final

import psycopg

from meterr.core import outage
from meterr.core.db import Connection
from meterr.core.errors import Invalid, OperatorError
from meterr.query.protection import scram, store
from meterr.query.protection.connecting import SourceUnavailable
from meterr.query.protection.crossing import cross
from meterr.query.protection.model import Credentials, Problem, Protected, Step
from meterr.query.protection.shape import Shape

_UNPRINTED: Final = "***"
OpenAsLogin = Callable[[], AbstractAsyncContextManager[Connection]]


async def plan(
    admin: Connection, shape: Shape, credentials: Credentials, keep: Sequence[str]
) -> Protected:
    """Return what ``protect`` would do, and what keeps it from it. Changes nothing."""
    async with _operators_words(admin):
        reader, problems = await _looked_at(admin, shape, credentials, keep)
        if problems:
            return Protected((), problems)
        steps = await store.plan(admin, shape, keep, credentials.user, reader, _UNPRINTED)
    return Protected(tuple(step.statement for step in steps))


async def protect(
    admin: Connection,
    shape: Shape,
    credentials: Credentials,
    keep: Sequence[str],
    open_as_login: OpenAsLogin,
) -> Protected:
    """
    Make the login and put its walls up; then try to cross them, as that login.

    All or nothing: what stands in the way is found before or within one transaction, and when
    something crosses afterwards every step is taken back, the login first of all useless. Safe to
    repeat: what is in place is left alone, the login gets its new password.

    Raises:
        OperatorError: the server refused a statement; nothing was changed.
        Invalid: the tenant's value is none of its column's type.
        SourceUnavailable: it went away, or does not let the login in; nothing was left.
    """
    async with _operators_words(admin):
        reader, problems = await _looked_at(admin, shape, credentials, keep)
        if problems:
            return Protected((), problems)
        others = await _others(admin, shape)
        steps = await _applied(admin, shape, replace(credentials, reader=reader), keep)
        statements = tuple(step.statement for step in steps)
        holes = await store.holes(admin, shape, credentials.user)
        if holes:
            return Protected(statements, holes)
        await admin.commit()
    try:
        async with open_as_login() as session:
            crossing = await cross(session, shape, next(iter(others), None))
    # Whatever kept us from looking, Ctrl-C included: a wall that nobody tried does not stand.
    except BaseException:
        await _undo(admin, credentials.user, steps)
        raise
    if crossing.crossed:
        await _undo(admin, credentials.user, steps)
    return Protected(statements, (), crossing, len(others), applied=not crossing.crossed)


async def look_again(session: Connection, shape: Shape) -> Protected:
    """As the login itself: read its rights and try to cross; for what changed meanwhile."""
    await store.begin_reading(session)
    holes = await store.holes(session, shape, session.info.user)
    return Protected((), holes, await cross(session, shape, None))


async def _looked_at(
    admin: Connection, shape: Shape, credentials: Credentials, keep: Sequence[str]
) -> tuple[str, tuple[Problem, ...]]:
    """Return the role that reads here, and what stands in the way."""
    await store.begin_protecting(admin)
    who = await store.who_protects(admin)
    problems = await store.problems(admin, shape, keep)
    await _refuse_value(admin, shape)
    return who.reader or credentials.reader, problems


async def _refuse_value(admin: Connection, shape: Shape) -> None:
    if shape.tenant_value is None:
        return
    for type_name in await store.tenant_types(admin, shape):
        try:
            await store.value_fits(admin, shape.tenant_value, type_name)
        except psycopg.DataError:
            raise Invalid(
                f"tenant_value: the tenant column is of type {type_name}, and this is none.",
                param="tenant_value",
            ) from None


async def _others(admin: Connection, shape: Shape) -> list[str]:
    """Return a value of somebody else for each table in which one can be seen."""
    if shape.tenant_column is None:
        return []
    found = [await store.a_foreign_value(admin, shape, table) for table in shape.tables]
    return [value for value in found if value is not None]


async def _applied(
    admin: Connection, shape: Shape, credentials: Credentials, keep: Sequence[str]
) -> tuple[Step, ...]:
    verifier = scram.verifier(credentials.password)
    steps = await store.plan(admin, shape, keep, credentials.user, credentials.reader, verifier)
    for step in steps:
        await store.run(admin, step.statement)
    return tuple(replace(s, statement=s.statement.replace(verifier, _UNPRINTED)) for s in steps)


async def _undo(admin: Connection, login: str, steps: Sequence[Step]) -> None:
    """Take everything back. The login first, by itself: tables may be locked by others."""
    async with _operators_words(admin, "the login could not be taken back"):
        await store.shut_out(admin, login)
        await admin.commit()
    async with _operators_words(admin, "the login is shut out, the rest could not be taken back"):
        await store.begin_protecting(admin)
        for step in reversed(steps):
            if step.undo:
                await store.run(admin, step.undo)
        await admin.commit()


@asynccontextmanager
async def _operators_words(
    admin: Connection, what: str = "nothing was changed"
) -> AsyncIterator[None]:
    """Undo the transaction unless it was committed; tell an operator what the server says."""
    try:
        yield
    except psycopg.Error as error:
        if outage.is_outage(error, closed=admin.closed):
            raise SourceUnavailable from None
        words = error.diag.message_primary or type(error).__name__
        raise OperatorError(f"{what}: {words}") from None
    finally:
        if not admin.closed:
            await admin.rollback()
