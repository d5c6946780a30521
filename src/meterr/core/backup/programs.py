"""pg_dump, pg_restore and psql of one PostgreSQL, run with nothing secret in their arguments."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.backup.errors import BackupFailed, BackupRefused
from meterr.core.postgres.binaries import client_directories

_NEEDED = ("pg_dump", "pg_restore", "psql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_TIMEOUT_S = 30
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Programs:
    """A directory with the three programs, of one version."""

    directory: Path
    major: int

    def start(
        self, name: str, arguments: Sequence[str], dsn: str | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start one with pipes on all sides; a password in ``dsn`` goes by its environment."""
        environment, connection = dict(_ENVIRONMENT), []
        if dsn is not None:
            parts = conninfo_to_dict(dsn)
            if password := parts.pop("password", None):
                environment["PGPASSWORD"] = str(password)
            connection = ["--dbname", make_conninfo("", **parts)]
        return subprocess.Popen(
            [self.directory / name, *connection, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )


def find_programs(explicit: Path | None, server_major: int) -> Programs:
    """
    Return the first programs that are as new as the server: older ones cannot dump it.

    Raises BackupRefused naming what was found instead.
    """
    seen = []
    for directory in client_directories(explicit):
        if not all((directory / name).is_file() for name in _NEEDED):
            continue
        major = _major(directory / "pg_dump")
        if major >= server_major:
            return Programs(directory, major)
        seen.append(f"{major} in {directory}")
    raise BackupRefused(
        f"pg_dump, pg_restore and psql of PostgreSQL {server_major} or later are needed (found: "
        f"{', '.join(seen) or 'none'}). Install its client programs, or set METERR_POSTGRES_BIN."
    )


def finish(process: "subprocess.Popen[bytes]", name: str, stderr: bytes) -> None:
    """Wait for the end; raise BackupFailed with the program's own last line unless it was good."""
    if process.wait() != 0:
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        errors = [line for line in lines if "error" in line.lower() or "FATAL" in line]
        said = (errors or lines or ["no message"])[0]
        raise BackupFailed(f"{name} failed: {said}")


def _major(program: Path) -> int:
    try:
        asked = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            env=_ENVIRONMENT,
        )
    except OSError:
        return 0
    match = _VERSION.search(asked.stdout)
    return int(match[1]) if match else 0
