"""The unprivileged user that PostgreSQL runs as: it refuses to run as root, and rightly so."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meterr.core.postgres.errors import EmbeddedPostgresError

SERVICE_USER = "meterr"
LAST_RESORT = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user id, and whether the server's processes have to change to it."""

    name: str
    uid: int
    gid: int
    switches: bool

    def own(self, path: Path) -> None:
        """Give ``path``, which we have just made, to this account."""
        if self.switches:
            os.chown(path, self.uid, self.gid)


def choose_account(data: Path, say: Callable[[str], None]) -> Account:
    """
    Return the account for the cluster at ``data``.

    Without root: ourselves. As root: the user ``meterr``, created when missing, else ``nobody``. A
    cluster that exists stays with the one of the two that owns it.
    """
    if os.geteuid() != 0:
        return Account(_name_of(os.geteuid()), os.geteuid(), os.getegid(), switches=False)
    owner = data.stat().st_uid if data.exists() else None
    known = [found for name in (SERVICE_USER, LAST_RESORT) if (found := _find(name))]
    for account in known:
        if account.uid == owner:
            return account
    if ours := _find(SERVICE_USER) or _create():
        return ours
    if spare := _find(LAST_RESORT):
        say(f"No user {SERVICE_USER!r} could be created; PostgreSQL runs as {LAST_RESORT!r}.")
        return spare
    raise EmbeddedPostgresError(
        "PostgreSQL must not run as root and there is no other user: run "
        f"'useradd --system {SERVICE_USER}', or start meterr as an ordinary user."
    )


def _create() -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    # Its exit code does not matter: another process may have been faster.
    subprocess.run(
        [
            useradd,
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir=/nonexistent",
            "--shell=/usr/sbin/nologin",
            SERVICE_USER,
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return _find(SERVICE_USER)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return None if entry.pw_uid == 0 else Account(name, entry.pw_uid, entry.pw_gid, switches=True)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
