"""Mode C: a token that says whose session it is, signed by the database itself."""

from meterr.core.db import Database
from meterr.core.errors import NotFound
from meterr.query.walls import store
from meterr.query.walls.logins import QueryNotSetUp


class Tokens:
    """Signs tokens. The keys stay in the database, where no login can read them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def sign(self, tenant_id: str, *, login: str, backend: int, seconds: int) -> str:
        """
        Return a token for one tenant, good in the server process ``backend`` for ``seconds``.

        ``seconds`` is 1 to 600, ``login`` is who that process serves. Raises NotFound for no tenant
        or a disabled one, QueryNotSetUp for a login that can do more than read: SQL could become
        whatever it is a member of.
        """
        async with self._db.tenant_transaction(tenant_id) as connection:
            kept = await store.read_tenant(connection, tenant_id)
            if kept is None or not kept.active:
                raise NotFound("There is no such tenant, or it is disabled.")
            if not await store.is_only_a_reader(connection, login):
                raise QueryNotSetUp(
                    "The login in query.reader_url must be a member of meterr_reader and of "
                    "nothing else, without any attribute."
                )
            return await store.sign_token(connection, tenant_id, backend, seconds)
