"""From an address to a session: judged as every connection out is, and told in our own words."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

import psycopg

from meterr.core.db import Connection, DatabaseUnavailable, connect
from meterr.core.errors import MeterrError, Unavailable
from meterr.core.http.outbound import Guard, OutboundRefused, Reason
from meterr.query.parser import GRAMMAR_MAJOR
from meterr.query.protection.address import Address

OLDEST_MAJOR: Final = 15
_RETRY_AFTER_S: Final = 10
_STATEMENT_TIMEOUT_S: Final = 60
# Of names, types and comments, all that there are: some 20,000 columns. The server may be a
# stranger's, and while an answer is read nobody else is served.
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024


class SourceRefused(MeterrError):
    """meterr does not connect to this database, or not in this way."""

    code: ClassVar[str] = "source-refused"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Source refused"


class SourceUnavailable(Unavailable):
    """The tenant's own database does not answer, or does not let meterr in."""

    code: ClassVar[str] = "source-unavailable"
    title: ClassVar[str] = "Source unavailable"

    def __init__(self, reason: str = "connection") -> None:
        super().__init__(_UNAVAILABLE[reason], reason=reason, retry_after_s=_RETRY_AFTER_S)


_UNAVAILABLE: Final = {
    "connection": "The database of this source cannot be reached right now.",
    "tls": "The database of this source does not show a certificate that can be verified.",
    "answer": "The database of this source does not answer as PostgreSQL does.",
    "login": "The database of this source does not take the login.",
}
_NOT_VERIFIED: Final = (
    "Beyond your own network the database must prove who it is: sslmode=verify-full, and "
    "sslrootcert=FILE for a certificate authority of your own. The operator can list the host in "
    "outbound.allow to leave that out."
)
_NOT_ALLOWED: Final = (
    "The database's host has no address that meterr may connect to. The operator can allow a host "
    "or network of theirs with the setting outbound.allow."
)


async def located(address: Address, guard: Guard) -> str:
    """
    Return what libpq is to connect to: the addresses that were judged.

    Raises SourceRefused, SourceUnavailable. Neither repeats the address.
    """
    try:
        return address.conninfo(await guard.locate(address.destination), _trusted())
    except OutboundRefused as refused:
        words = _NOT_VERIFIED if refused.reason == Reason.NOT_HTTPS else _NOT_ALLOWED
        raise SourceRefused(words, reason=refused.reason, param="url") from None
    except OSError:
        # Whether a name exists inside is nobody's business who may not go there.
        raise SourceRefused(_NOT_ALLOWED, reason=Reason.NO_ADDRESS, param="url") from None


def _trusted() -> str:
    """Return whom Python trusts: the libpq that comes with psycopg does not know the system's."""
    return ssl.get_default_verify_paths().cafile or "system"


@asynccontextmanager
async def opened(
    address: Address,
    guard: Guard,
    *,
    autocommit: bool = False,
    timeout_s: float = _STATEMENT_TIMEOUT_S,
) -> AsyncIterator[Connection]:
    """
    Yield a session whose statements take at most ``timeout_s``; undone unless committed.

    Raises as ``located`` does, and SourceUnavailable for whatever the server says in the block.
    """
    try:
        connection = await connect(
            await located(address, guard),
            None,
            statement_timeout_s=timeout_s,
            autocommit=autocommit,
            answer_bytes_max=ANSWER_BYTES_MAX,
        )
    except DatabaseUnavailable as error:
        raise unavailable(error) from None
    async with connection:
        try:
            refuse_version(connection.info.server_version)
            yield connection
        except psycopg.Error:
            raise SourceUnavailable from None  # the server's own words can hold what rows hold
        finally:
            await _undo(connection)


async def _undo(connection: Connection) -> None:
    """Roll back, or leave a server that does not keep to the protocol, or has nothing to undo."""
    try:
        if connection.autocommit:
            connection.pgconn.finish()
        elif not connection.closed:
            await connection.rollback()
    except psycopg.Error:
        connection.pgconn.finish()


def unavailable(error: DatabaseUnavailable) -> SourceUnavailable:
    """Return our words for libpq's, which repeat the address."""
    said = error.private
    if "certificate" in said or "SSL" in said:
        return SourceUnavailable("tls")
    if "authentication failed" in said or "pg_hba.conf" in said or "does not exist" in said:
        return SourceUnavailable("login")
    return SourceUnavailable()


def refuse_version(version: int) -> None:
    """Raise SourceRefused for a server whose SQL the guard may not know, or that is too old."""
    major = version // 10_000
    if not OLDEST_MAJOR <= major <= GRAMMAR_MAJOR:
        raise SourceRefused(
            f"The database is PostgreSQL {major}; meterr asks {OLDEST_MAJOR} to {GRAMMAR_MAJOR}.",
            reason="version",
            param="url",
        )
