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
    version, whole or not at all; nobody's permissions are changed. Made for relocatable builds such
    as the wheel's; a distribution's own PostgreSQL is open to all users anyway.
    """
    if binaries.runs_as_account:
        return binaries.directory
    home = layout.home / f"postgresql-{binaries.version}"
    if not home.exists():
        _copy(binaries.directory.parent, home)
    install = binaries.directory.parent
    copy = inspect(home / install.parent.name / install.name / "bin", account)
    if copy is None or not copy.runs_as_account:
        raise EmbeddedPostgresError(
            f"The user {account.name!r} can run PostgreSQL neither in {binaries.directory} nor in "
            f"{home}. Install PostgreSQL for all users, or choose a data directory outside of "
            "directories closed to others."
        )
    return copy.directory


def _copy(install: Path, home: Path) -> None:
    fresh = home.with_name(home.name + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    package = install.parent
    for part in _PARTS:
        shutil.copytree(install / part, fresh / package.name / install.name / part, symlinks=True)
    # The wheel's programs look for their libraries relative to themselves, outside of the install:
    # in ../../../<package>.libs (Linux) or ../../.dylibs (macOS).
    for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
        if libraries.is_dir():
            target = fresh / libraries.relative_to(package.parent)
            shutil.copytree(libraries, target, symlinks=True)
    for directory in (fresh, fresh / package.name, fresh / package.name / install.name):
        directory.chmod(0o755)
    fresh.rename(home)
