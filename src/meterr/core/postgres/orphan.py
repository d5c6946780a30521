"""A server whose supervisor was killed: wait until it has noticed, or make it notice."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg

from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.lock import FileLock
from meterr.core.postgres.prepare import reported_data_directory

_PATIENCE_S = 5  # the death watch needs milliseconds
_TIMEOUT_S = 60  # a busy backend ends its statement before it sees that its postmaster is gone
_LOGIN_TIMEOUT_S = 2


def wait_until_gone(server_lock: FileLock, data: Path, admin_dsn: str | None) -> None:
    """
    Take ``server_lock``, which is free once no process of the last server lives.

    A server that still takes our password is stopped; its postmaster.pid is true as long as it
    answers. Raises EmbeddedPostgresError when processes remain all the same.
    """
    if server_lock.take(_PATIENCE_S):
        return
    if admin_dsn is not None and _answers(data, admin_dsn):
        with suppress(ProcessLookupError, PermissionError, ValueError):
            os.kill(int(postmaster_pid(data)), signal.SIGQUIT)
    if server_lock.take(_TIMEOUT_S):
        return
    raise EmbeddedPostgresError(
        f"Processes of an earlier PostgreSQL still use {data} (its postmaster was "
        f"{postmaster_pid(data)}). Stop them, then start again."
    )


def postmaster_pid(data: Path) -> str:
    """Return the first line of postmaster.pid: true only while the server is known to answer."""
    try:
        return (data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def _answers(data: Path, admin_dsn: str) -> bool:
    try:
        return data.samefile(reported_data_directory(admin_dsn, _LOGIN_TIMEOUT_S))
    except (psycopg.Error, OSError):
        return False
