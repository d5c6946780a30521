"""Harden a database: tenants lose what everybody may call, and the rights are read back."""

from typing import Final

import psycopg

from meterr.core import outage
from meterr.core.db import Connection, connect
from meterr.core.errors import OperatorError
from meterr.query.functions import FUNCTIONS
from meterr.query.operators import OPERATORS
from meterr.query.type_names import TYPES
from meterr.query.walls import store
from meterr.query.walls.model import Hardening, findings, mode_of

_STATEMENT_TIMEOUT_S = 300
_MAKE_LOGINS: Final = "create the functions meterr_walls.make_login and meterr_walls.drop_login"
# What a listed function or construct calls in turn: PostgreSQL's own functions in the language SQL,
# and SEARCH BREADTH counts levels.
_INNER: Final = frozenset(
    {"like_escape", "similar_to_escape", "date_part", "extract", "timezone", "int8inc"}
)


async def harden(admin_dsn: str, *, apply: bool, reader_login: str = "") -> Hardening:
    """
    Take from tenants' logins everything that does more than compute; in one transaction.

    Every other role of the server first gets by name what everybody had, so that nobody but tenants
    loses anything; ``reader_login``, which asks for all of them, is held as they are. Repeats
    safely; again after an upgrade of the server, and for roles made since. Without ``apply``
    nothing is changed. Who is no superuser changes what it owns.

    Raises:
        OperatorError: the login may do none of it, or the schema is not there yet.
        DatabaseUnavailable: the server cannot be reached.
    """
    connection = await connect(admin_dsn, None, statement_timeout_s=_STATEMENT_TIMEOUT_S)
    async with connection:
        try:
            done = await _hardened(connection, apply=apply, reader_login=reader_login)
        except psycopg.Error as error:
            if outage.is_outage(error, closed=connection.closed):
                raise outage.of(error) from error
            words = error.diag.message_primary or type(error).__name__
            raise OperatorError(f"nothing was changed: {words}") from error
        await (connection.commit() if apply else connection.rollback())
    return done


async def _hardened(connection: Connection, *, apply: bool, reader_login: str) -> Hardening:
    await store.begin_hardening(connection)
    who = await store.who_hardens(connection)
    if not who.migrated:
        raise OperatorError("this database has no schema of meterr: run 'meterr db migrate' first")
    if apply and not (who.superuser or who.may_make_roles):
        raise OperatorError(
            "this login can neither make roles nor is it a superuser: set "
            "METERR_DATABASE_ADMIN_URL, or use one login with a token (query.reader_url)"
        )
    allowed = await store.allowed_functions(
        connection, sorted(FUNCTIONS | _INNER), sorted(OPERATORS), sorted(TYPES)
    )
    made = await store.walls_made(connection)
    if made.digest is not None and not (made.ours or who.superuser):
        raise OperatorError("the schema meterr_walls belongs to somebody else")
    up_to_date = made.digest == store.walls_digest()
    statements = await store.plan(connection, allowed, reader_login)
    if apply:
        for statement in statements:
            await store.apply(connection, statement)
        if not up_to_date:
            await store.make_walls(connection)
    left = findings(await store.remaining(connection, allowed, reader_login))
    return Hardening(
        statements=(*statements, *(() if up_to_date else (_MAKE_LOGINS,))),
        remaining=left,
        mode=mode_of(
            has_logins=apply or made.digest is not None,
            has_token_login=bool(reader_login),
            remaining=left,
        ),
    )
