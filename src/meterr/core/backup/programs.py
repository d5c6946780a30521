"""pg_dump, pg_restore and psql of one PostgreSQL, run with nothing secret in their arguments."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from meterr.core.backup.errors import BackupFailed, BackupRefused
from meterr.core.postgres.binaries import client_directories
from meterr.core.settings import environment

_NEEDED = ("pg_dump", "pg_restore", "psql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_TIMEOUT_S = 30
_SERVICE = "meterr"
_SECRETS = ("sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_SECRET_BYTES_MAX = 900  # of a line in a service file
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_PLACES = ("HOME", "PGSERVICEFILE", "PGSYSCONFDIR")  # of libpq's files
_UNSUITED = ("PGCLIENTENCODING", "PGAPPNAME")  # say nothing of where or who, and change a dump


@dataclass(frozen=True, slots=True)
class Programs:
    """A directory with the three programs, of one version."""

    directory: Path
    major: int

    def start(
        self, name: str, arguments: Sequence[str], dsn: str | None = None
    ) -> "subprocess.Popen[bytes]":
        """
        Start one with pipes on all sides.

        A password in ``dsn`` goes by its environment, and other secrets, for which there is no
        variable, by one more pipe. Raises BackupRefused for one that cannot go there.
        """
        variables, connection = dict(_ENVIRONMENT), []
        if dsn is not None:
            variables |= _variables()
        parts = {} if dsn is None else conninfo_to_dict(dsn)
        if password := parts.pop("password", None):
            variables["PGPASSWORD"] = str(password)
        with _service({name: str(parts.pop(name)) for name in _SECRETS if name in parts}) as pipe:
            if pipe is not None:
                named = variables.get("PGSERVICE", _SERVICE)
                if parts.setdefault("service", named) != _SERVICE:
                    raise BackupRefused("a database address with a service keeps its secrets there")
                variables["PGSERVICEFILE"] = f"/dev/fd/{pipe}"
            if dsn is not None:
                connection = ["--dbname", make_conninfo("", **parts)]
            return subprocess.Popen(
                [self.directory / name, *connection, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=variables,
                pass_fds=() if pipe is None else (pipe,),
            )


def _variables() -> dict[str, str]:
    """
    Return the variables that libpq reads beside an address.

    The address was looked at with them: without, a program could be led to another server.
    """
    given = environment()
    known = {each.envvar.decode() for each in Conninfo.get_defaults() if each.envvar}
    wanted = (known - {*_UNSUITED}) | {*_PLACES}
    return {name: given[name] for name in wanted if name in given}


@contextmanager
def _service(secrets: Mapping[str, str]) -> Iterator[int | None]:
    """Yield the end of a pipe that a service file with ``secrets`` can be read from, once."""
    if not secrets:
        yield None
        return
    for name, value in secrets.items():
        if value != value.rstrip() or "\n" in value or len(value.encode()) > _SECRET_BYTES_MAX:
            raise BackupRefused(f"{name}: PostgreSQL's programs cannot be handed such a value")
    lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in secrets.items())]
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, "".join(f"{line}\n" for line in lines).encode())
        finally:
            os.close(writing)
        yield reading
    finally:
        os.close(reading)


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
