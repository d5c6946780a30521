"""One login per tenant: made when first needed, its password sealed under the tenant's key."""

import base64
from collections.abc import Callable
from typing import ClassVar, Final

import psycopg
from pydantic import SecretStr

from meterr.core.crypto import DataKeys, Unreadable
from meterr.core.db import Connection, Database
from meterr.core.errors import MeterrError, NotFound
from meterr.query.walls import store
from meterr.query.walls.model import LOGINS_OF_A_TENANT_MAX, Login, place_of

_NAME_BYTES: Final = 16
_PASSWORD_BYTES: Final = 32
_RETRY_AFTER_S: Final = 2
_WAITING_MAX: Final = LOGINS_OF_A_TENANT_MAX // 2


class QueryNotSetUp(MeterrError):
    """The database has no way yet to tell tenants apart; asking again changes nothing."""

    code: ClassVar[str] = "query-not-set-up"
    status: ClassVar[int] = 501
    title: ClassVar[str] = "Questions are not set up"


class TooManyQuestions(MeterrError):
    """This tenant has as many questions running as it may."""

    code, status, title = "too-many-questions", 429, "Too many questions at once"

    def __init__(self, running: int) -> None:
        super().__init__(
            f"{running} questions are running already; wait for their answers.",
            retry_after_s=_RETRY_AFTER_S,
        )


class TenantLogins:
    """
    The logins of all tenants. Nothing is kept in memory: a tenant that was disabled is refused.

    ``randomness`` returns as many bytes as asked for, of a cryptographic source.
    """

    def __init__(
        self, db: Database, data_keys: DataKeys, randomness: Callable[[int], bytes]
    ) -> None:
        self._db = db
        self._data_keys = data_keys
        self._randomness = randomness

    async def login_of(self, tenant_id: str) -> Login:
        """
        Return the tenant's login, made now if there is none.

        Raises NotFound for no tenant or a disabled one, QueryNotSetUp, KeyMissing,
        DatabaseUnavailable.
        """
        async with self._db.tenant_transaction(tenant_id) as connection:
            kept = await _active(connection, tenant_id)
            if kept.role_name is not None and kept.password is not None:
                return await self._opened(connection, tenant_id, kept.role_name, kept.password)
            role_name = "mq_" + self._randomness(_NAME_BYTES).hex()
            login = self._new_password(role_name)
            sealed = await self._sealed(connection, tenant_id, login)
            if await store.add_role(connection, tenant_id, role_name, sealed):
                await _make(connection, login)
                return login
        return await self.login_of(tenant_id)

    async def make_again(self, tenant_id: str, refused: Login) -> Login:
        """
        Give the tenant's login a new password, making the login itself if the server has none.

        For a server that did not take ``refused``: restored from a backup, or changed by hand. When
        another process was faster, what that made is returned. Raises TooManyQuestions when the
        login has all the connections that it may have, and what ``login_of`` raises.
        """
        async with self._db.tenant_transaction(tenant_id) as connection:
            await _active(connection, tenant_id)
            locked = await store.lock_role(connection, tenant_id)
            if locked is not None:
                if locked.sessions >= LOGINS_OF_A_TENANT_MAX:
                    raise TooManyQuestions(locked.sessions)
                found = await self._opened(connection, tenant_id, locked.role_name, locked.password)
                if found != refused:
                    return found
                return await self._replaced(connection, tenant_id, locked.role_name)
        return await self.login_of(tenant_id)

    async def has_room(self, login: Login) -> bool:
        """
        Return whether sessions of this login may wait: whoever asks elsewhere finds none taken.

        Raises DatabaseUnavailable.
        """
        async with self._db.session() as connection:
            return await store.count_sessions(connection, login.role_name) <= _WAITING_MAX

    async def _opened(
        self, connection: Connection, tenant_id: str, role_name: str, sealed: bytes
    ) -> Login:
        try:
            place = place_of(tenant_id, role_name)
            password = await self._data_keys.open(connection, place, sealed)
        except Unreadable:  # shredded, or sealed elsewhere: nobody needs the old one
            return await self._replaced(connection, tenant_id, role_name)
        return Login(role_name, SecretStr(password.decode("ascii")))

    async def _replaced(self, connection: Connection, tenant_id: str, role_name: str) -> Login:
        login = self._new_password(role_name)
        sealed = await self._sealed(connection, tenant_id, login)
        await store.put_password(connection, tenant_id, role_name, sealed)
        await _make(connection, login)
        return login

    def _new_password(self, role_name: str) -> Login:
        random = base64.urlsafe_b64encode(self._randomness(_PASSWORD_BYTES))
        return Login(role_name, SecretStr(random.decode("ascii").rstrip("=")))

    async def _sealed(self, connection: Connection, tenant_id: str, login: Login) -> bytes:
        place = place_of(tenant_id, login.role_name)
        password = login.password.get_secret_value().encode("ascii")
        return await self._data_keys.seal(connection, place, password)


async def _active(connection: Connection, tenant_id: str) -> store.Kept:
    kept = await store.read_tenant(connection, tenant_id)
    if kept is None or not kept.active:
        raise NotFound("There is no such tenant, or it is disabled.")
    return kept


async def _make(connection: Connection, login: Login) -> None:
    await store.count_few_rounds(connection)
    verifier = connection.pgconn.encrypt_password(
        login.password.get_secret_value().encode("ascii"),
        login.role_name.encode("ascii"),
        b"scram-sha-256",
    )
    try:
        await store.make_login(connection, login.role_name, verifier.decode("ascii"))
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName) as error:
        raise QueryNotSetUp(
            "The database cannot make logins for tenants yet: an administrator runs 'meterr query "
            "harden --apply' once."
        ) from error
