"""Tell a database that is away from one that is slow, by positive evidence only."""

import errno
import os
import re

import psycopg

from meterr.core.errors import Unavailable

RETRY_AFTER_S = 2

# The server itself says it is going, gone or not yet there.
_SAYS_ABSENT = frozenset({"57P01", "57P02", "57P03"})
# The session or its turn is lost, but a server is there: connection exceptions (class 08), too many
# connections, a statement that ran into its timeout.
_LOST = frozenset({"53300", "57014", "57P05", "25P03", "25P04"})

# While a connection opens libpq passes on text only. strerror() speaks our own process's language,
# so these are exact; the server's sentences are matched in English and otherwise count as unknown.
_REFUSED = (os.strerror(errno.ECONNREFUSED), os.strerror(errno.ENOENT))
_NOT_ACCEPTING = re.compile(
    r"FATAL: .*(database system is (starting up|shutting down|in recovery mode|not yet accepting)"
    r"|terminating connection due to (administrator command|unexpected postmaster exit))"
)
_ATTEMPT = re.compile(r"^- host: ", re.MULTILINE)


class DatabaseUnavailable(Unavailable):
    """
    PostgreSQL cannot be reached, or the connection was lost in use.

    ``server_absent`` is True only on positive evidence that no server takes connections (refused,
    socket missing, or the server said so); a timeout proves nothing and leaves it False.
    """

    code, title = "database-unavailable", "Database unavailable"

    def __init__(self, *, server_absent: bool, private: str) -> None:
        super().__init__(
            "The database cannot be reached right now; retry shortly.",
            private=private,
            retry_after_s=RETRY_AFTER_S,
        )
        self.server_absent = server_absent


def of(error: BaseException) -> DatabaseUnavailable:
    """Build the DatabaseUnavailable that ``error`` is an instance of."""
    return DatabaseUnavailable(
        server_absent=proves_absence(error), private=f"{type(error).__name__}: {error}".strip()
    )


def is_outage(error: psycopg.Error, *, closed: bool) -> bool:
    """Tell whether ``error`` is the database's absence and not the statement's fault."""
    if closed:
        return True
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state in _SAYS_ABSENT or state in _LOST or state.startswith("08")


def proves_absence(error: BaseException) -> bool:
    """Tell whether ``error`` shows that no server takes connections, at any of the hosts tried."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate in _SAYS_ABSENT
    if not isinstance(error, psycopg.OperationalError):
        return False
    attempts = _ATTEMPT.split(str(error))
    return all(_refused(text) for text in attempts[1:] or attempts)


def _refused(text: str) -> bool:
    return any(words in text for words in _REFUSED) or _NOT_ACCEPTING.search(text) is not None
