"""A directory for the unix socket: private, and short enough for the kernel's 107 bytes."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from meterr.core.postgres.account import Account
from meterr.core.postgres.layout import Layout

PORT = 5432  # names the socket file; nothing listens on TCP
PATH_BYTES_MAX = 103  # sun_path without its NUL: 107 on Linux, 103 on macOS


def socket_path(directory: Path) -> Path:
    """Return the socket file that PostgreSQL makes in ``directory``."""
    return directory / f".s.PGSQL.{PORT}"


def choose_socket_directory(layout: Layout, account: Account, say: Callable[[str], None]) -> Path:
    """Return ``run``, or when its path is too long a 0700 directory of the account's in /tmp."""
    if len(os.fsencode(socket_path(layout.run))) <= PATH_BYTES_MAX:
        return layout.run
    directory = _short_directory(layout, account)
    say(f"The path {layout.run} is too long for a unix socket; it is in {directory} instead.")
    return directory


def clear(directory: Path) -> None:
    """
    Remove the socket and its lock file, once it is certain that no server uses them.

    PostgreSQL itself would believe the lock file if its pid is alive, whoever that is now.
    """
    socket = socket_path(directory)
    socket.unlink(missing_ok=True)
    socket.with_name(socket.name + ".lock").unlink(missing_ok=True)


def _short_directory(layout: Layout, account: Account) -> Path:
    digest = hashlib.sha256(os.fsencode(layout.root.resolve())).hexdigest()[:16]
    base = Path("/tmp")  # noqa: S108 - the directory is private, and checked when it exists
    stable = base / f"meterr-{digest}"
    try:
        stable.mkdir(mode=0o700)
    except FileExistsError:
        if _is_private(stable, account):
            return stable
        # Someone else's, made to mislead or left behind: never use it, never touch it.
        stable = Path(tempfile.mkdtemp(prefix="meterr-", dir=base))
    account.own(stable)
    return stable


def _is_private(directory: Path, account: Account) -> bool:
    found = directory.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == account.uid
        and stat.S_IMODE(found.st_mode) == 0o700
    )
