"""Copy binaries to where the service account can run them, when their own place is closed to it."""

import shutil
from pathlib import Path

from meterr.core.postgres.account import Account
from meterr.core.postgres.binaries import Binaries, inspect
from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.layout import Layout

_PARTS = ("bin", "lib", "share")


def reachable(binaries: Binaries, layout: Layout, account: Account) -> Path:
    """
    Return a directory with the same programs that ``account`` can execute.

    Typically needed for a wheel below root's closed home. The copy goes beside the data, named by
    version, whole or not at all; nobody's permissions are changed.
    """
    if binaries.runs_as_account:
        return binaries.directory
    home = layout.home / f"postgresql-{binaries.version}"
    if not home.exists():
        _copy(binaries.directory.parent, home)
    copy = inspect(home / "bin", account)
    if copy is None or not copy.runs_as_account:
        raise EmbeddedPostgresError(
            f"The user {account.name!r} can run PostgreSQL neither in {binaries.directory} nor in "
            f"{home}. Install PostgreSQL for all users, or choose a data directory outside of "
            "directories closed to others."
        )
    return copy.directory


def _copy(source: Path, home: Path) -> None:
    fresh = home.with_name(home.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o755)
    for part in _PARTS:
        shutil.copytree(source / part, fresh / part, symlinks=True)
    fresh.chmod(0o755)
    fresh.rename(home)
