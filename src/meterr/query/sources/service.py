"""Sources of a tenant: kept sealed, protected, looked at again, forgotten."""

import base64
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Final

from pydantic import SecretStr

from meterr.core.crypto import DataKeys
from meterr.core.db import Connection, Database
from meterr.core.errors import Invalid, Unavailable
from meterr.core.http.outbound import Guard
from meterr.query import protection
from meterr.query.language.words import Words, read_words
from meterr.query.protection import (
    Address,
    Credentials,
    Protected,
    Shape,
    SourceRefused,
    opened,
)
from meterr.query.sources import store
from meterr.query.sources.kept import Source, checked_name, place_of
from meterr.query.sources.model import USAGE, UnknownSource
from meterr.query.walls import QueryNotSetUp

_NAME_BYTES: Final = 16
_PASSWORD_BYTES: Final = 32


class SourceBook:
    """
    The sources of all tenants. ``randomness`` returns as many bytes as asked for, cryptographic.

    The address that is kept is that of the administrator who was named until the source is
    protected, and from then on that of the login that was made: the administrator's is forgotten.
    """

    def __init__(
        self,
        db: Database,
        data_keys: DataKeys,
        guard: Guard,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._db = db
        self._data_keys = data_keys
        self._guard = guard
        self._randomness = randomness

    async def add(
        self, tenant_id: str, name: str, url: SecretStr, shape: Shape, *, created_by: str
    ) -> Source:
        """
        Keep a source after a look at its database.

        Raises:
            Invalid: name, address, tables or column cannot be used, or the name is in use.
            SourceRefused: meterr may not connect there, or the server is too old or too new.
            SourceUnavailable: it does not answer.
            KeyMissing: there is no key to seal the address under.
        """
        checked_name(name)
        shape.checked()
        address = Address.parse(url.get_secret_value())
        async with opened(address, self._guard):
            pass
        async with self._db.tenant_transaction(tenant_id) as connection:
            sealed = await self._sealed(connection, tenant_id, name, address)
            if not await store.put_source(
                connection, tenant_id, name, sealed, address.place, shape, created_by
            ):
                raise Invalid(
                    "name: there is a source of this name; remove it first.", param="name"
                )
        return await self.find(tenant_id, name)

    async def list(self, tenant_id: str) -> list[Source]:
        """Return the tenant's sources by name."""
        async with self._db.tenant_transaction(tenant_id) as connection:
            return await store.list_sources(connection, tenant_id)

    async def find(self, tenant_id: str, name: str) -> Source:
        """Return a source. Raises UnknownSource with the names that there are."""
        found = {source.name: source for source in await self.list(tenant_id)}
        if name not in found:
            raise UnknownSource((USAGE, *found))
        return found[name]

    async def put_words(self, tenant_id: str, name: str, text: str) -> Words:
        """
        Keep what the owner says of the tables; an empty text forgets it.

        A model reads it with each question, values that it lists included: so a table opts in.

        Raises UnknownSource, and Invalid for what cannot be read or names no table of the source.
        """
        source = await self.find(tenant_id, name)
        words = read_words(text) if text.strip() else Words(())
        tables = {(table.schema, table.name) for table in source.shape.tables}
        for each in words.relations:
            if (each.schema, each.name) not in tables:
                known = ", ".join(table.shown() for table in source.shape.tables)
                raise Invalid(
                    f"words: {each.schema}.{each.name} is no table of this source ({known}).",
                    param="words",
                )
        async with self._db.tenant_transaction(tenant_id) as connection:
            await store.put_words(connection, tenant_id, name, text if words.relations else "")
        return words

    async def protect(
        self,
        tenant_id: str,
        name: str,
        *,
        keep: Sequence[str] = (),
        url: SecretStr | None = None,
        apply: bool,
    ) -> Protected:
        """
        Make, or show, the walls in the source's database, as its administrator.

        ``keep`` are roles of the application that go on seeing every row. ``url`` is the
        administrator's address, needed again once the source is protected.

        Raises UnknownSource, SourceRefused, SourceUnavailable, Invalid, OperatorError.
        """
        source = await self.find(tenant_id, name)
        kept = await self.address_of(tenant_id, name)
        admin = self._admin(source, kept, url)
        credentials = self._credentials(source, kept)
        made = replace(admin, user=credentials.user, password=credentials.password)
        async with opened(admin, self._guard) as connection:
            if not apply:
                return await protection.plan(connection, source.shape, credentials, keep)
            done = await protection.protect(
                connection, source.shape, credentials, keep, self._session_of(made)
            )
        if done.applied:
            async with self._db.tenant_transaction(tenant_id) as own:
                sealed = await self._sealed(own, tenant_id, name, made)
                await store.put_login(own, tenant_id, name, sealed)
        return done

    async def check(self, tenant_id: str, name: str) -> Protected:
        """
        Read the login's rights back and try to cross, as the login. What is found is kept.

        Raises UnknownSource, QueryNotSetUp, SourceRefused, SourceUnavailable.
        """
        source = await self.find(tenant_id, name)
        _refuse_unprotected(source)
        address = await self.address_of(tenant_id, name)
        async with self._session_of(address)() as session:
            found = await protection.look_again(session, source.shape)
        crossed = len(found.crossing.crossed) if found.crossing is not None else 0
        async with self._db.tenant_transaction(tenant_id) as connection:
            await store.put_check(connection, tenant_id, name, len(found.problems) + crossed)
        return found

    async def remove(self, tenant_id: str, name: str) -> str | None:
        """Forget a source; return the login that remains in its database, if one was made."""
        source = await self.find(tenant_id, name)
        made = source.protected_at_ms is not None
        login = (await self.address_of(tenant_id, name)).user if made else None
        async with self._db.tenant_transaction(tenant_id) as connection:
            await store.remove_source(connection, tenant_id, name)
        return login

    async def login_of(self, tenant_id: str, source: Source) -> Address:
        """
        Return the address with the login that was made.

        Raises QueryNotSetUp, Unreadable, and Unavailable when ``source`` was replaced meanwhile: an
        address that is not the one which was protected is an administrator's.
        """
        _refuse_unprotected(source)
        if source.holes:
            raise does_not_hold(source)
        async with self._db.tenant_transaction(tenant_id) as connection:
            address = await self._address(connection, tenant_id, source.name)
            now = await store.list_sources(connection, tenant_id)
        if not any(source.is_still(each) for each in now):
            raise Unavailable("This source was changed just now. Ask again.", retry_after_s=1)
        return address

    async def address_of(self, tenant_id: str, name: str) -> Address:
        """Return the address as it is kept. Raises UnknownSource, also for a disabled tenant."""
        async with self._db.tenant_transaction(tenant_id) as connection:
            return await self._address(connection, tenant_id, name)

    async def _address(self, connection: Connection, tenant_id: str, name: str) -> Address:
        sealed = await store.read_url(connection, tenant_id, name)
        if sealed is None:
            raise UnknownSource((USAGE,))
        url = await self._data_keys.open(connection, place_of(tenant_id, name), sealed)
        return Address.parse(url.decode("utf-8"))

    async def _sealed(
        self, connection: Connection, tenant_id: str, name: str, address: Address
    ) -> bytes:
        url = address.stored().encode("utf-8")
        return await self._data_keys.seal(connection, place_of(tenant_id, name), url)

    def _session_of(
        self, address: Address
    ) -> Callable[[], AbstractAsyncContextManager[Connection]]:
        return partial(opened, address, self._guard, autocommit=True)

    def _credentials(self, source: Source, kept: Address) -> Credentials:
        made = source.protected_at_ms is not None
        user = kept.user if made else "ms_" + self._randomness(_NAME_BYTES).hex()
        random = base64.urlsafe_b64encode(self._randomness(_PASSWORD_BYTES)).decode("ascii")
        reader = "mr_" + self._randomness(_NAME_BYTES).hex()
        return Credentials(user, SecretStr(random.rstrip("=")), reader)

    def _admin(self, source: Source, kept: Address, url: SecretStr | None) -> Address:
        """Return who protects; for a stranger's database nothing would be made."""
        if url is None and source.protected_at_ms is not None:
            raise Invalid(
                "url_file: the administrator's address is needed; meterr forgot it when the source "
                "was protected.",
                param="url_file",
            )
        admin = kept if url is None else Address.parse(url.get_secret_value())
        if admin.place != kept.place:
            raise SourceRefused(
                "This is the address of another database than the source's.", param="url"
            )
        return admin


def _refuse_unprotected(source: Source) -> None:
    if source.protected_at_ms is None:
        raise QueryNotSetUp(
            f"The source {source.name} is not protected yet: the operator runs 'meterr source "
            "protect' first."
        )


def does_not_hold(source: Source) -> QueryNotSetUp:
    """Return why a source is not asked whose walls were found open."""
    return QueryNotSetUp(
        f"The walls of the source {source.name} do not hold any more: the operator runs 'meterr "
        "source check' and 'protect'."
    )
