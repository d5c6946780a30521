"""How a session becomes a tenant's: by its own login, or by a token on one login for all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from meterr.core.outage import DatabaseUnavailable
from meterr.core.sql import load_sql
from meterr.query.run.connection import CONNECT_TIMEOUT_S, QuestionConnection
from meterr.query.run.idle import IdleSessions
from meterr.query.run.model import Limits
from meterr.query.walls import LOGINS_OF_A_TENANT_MAX, Login, TenantLogins, Tokens, TooManyQuestions

_SQL: Final = load_sql("meterr.query.run")
# In English as everywhere; said otherwise, a new password is made and changes nothing.
_LOGIN_FULL: Final = "too many connections for role"
_NO_ROOM: Final = (
    "TimeoutError", "too many clients", "too many connections", "connection slots are reserved",
)  # fmt: skip
_TOKEN_GRACE_S: Final = 2 * CONNECT_TIMEOUT_S


class Sessions(Protocol):
    """Opens sessions in which only one tenant's rows exist."""

    def open(self, tenant_id: str) -> AbstractAsyncContextManager[QuestionConnection]:
        """Yield a session. Raises NotFound, QueryNotSetUp, DatabaseUnavailable."""


class LoginSessions:
    """
    Modes A and B: who the server says has logged in is the tenant.

    With ``idle`` a session waits there for the next question of its login; else each has its own.
    """

    def __init__(
        self, dsn: str, logins: TenantLogins, limits: Limits, idle: IdleSessions | None = None
    ) -> None:
        self._dsn = dsn
        self._logins = logins
        self._limits = limits
        self._idle = idle

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[QuestionConnection]:
        login = await self._logins.login_of(tenant_id)
        connection = await self._waiting(login)
        if connection is None:
            login, connection = await self._opened(tenant_id, login)
        try:
            if self._idle is not None and not connection.may_wait:
                connection.may_wait = await self._logins.has_room(login)
            yield connection
        finally:
            await asyncio.shield(self._leave(login, connection))

    async def _waiting(self, login: Login) -> QuestionConnection | None:
        connection = None if self._idle is None else self._idle.take(login)
        if connection is None or not await connection.begin():
            return None
        return connection

    async def _opened(self, tenant_id: str, login: Login) -> tuple[Login, QuestionConnection]:
        try:
            return login, await self._connected(login)
        except DatabaseUnavailable as error:
            if any(words in error.private for words in _NO_ROOM):
                raise
            # Perhaps the server does not know this login, or not this password; it does not say
            # which in a form to rely on. If it is away, this raises as well.
            login = await self._logins.make_again(tenant_id, login)
            return login, await self._connected(login)

    async def _connected(self, login: Login) -> QuestionConnection:
        try:
            return await QuestionConnection.open(self._dsn_of(login), self._limits)
        except DatabaseUnavailable as error:
            if _LOGIN_FULL in error.private:
                raise TooManyQuestions(LOGINS_OF_A_TENANT_MAX) from None
            raise

    async def _leave(self, login: Login, connection: QuestionConnection) -> None:
        if self._idle is not None and connection.may_wait and await connection.rest():
            self._idle.keep(login, connection)
        else:
            await connection.end()

    def _dsn_of(self, login: Login) -> str:
        password = login.password.get_secret_value()
        return make_conninfo(self._dsn, user=login.role_name, password=password)


class TokenSessions:
    """Mode C: ``reader_dsn`` is a login that is a member of meterr_reader and of nothing else."""

    def __init__(self, reader_dsn: str, tokens: Tokens, limits: Limits) -> None:
        self._dsn = reader_dsn
        self._tokens = tokens
        self._limits = limits

    @asynccontextmanager
    async def open(self, tenant_id: str) -> AsyncIterator[QuestionConnection]:
        async with QuestionConnection.opened(self._dsn, self._limits) as connection:
            token = await self._tokens.sign(
                tenant_id,
                login=connection.info.user,
                backend=connection.info.backend_pid,
                seconds=int(self._limits.timeout_s + _TOKEN_GRACE_S),
            )
            statement = sql.SQL(_SQL["present_token"]).format(token=sql.Literal(token))
            try:
                await connection.execute(statement)
            except psycopg.Error as error:
                private = f"the token was not taken: {error.sqlstate}"
                raise DatabaseUnavailable(server_absent=False, private=private) from None
            yield connection
