"""The data directory: make one that is whole or absent, and refuse one that is not ours."""

import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from meterr.core.postgres import child
from meterr.core.postgres.account import Account
from meterr.core.postgres.child import DeathWatch
from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.layout import Layout, sync_directory, write_private

SUPERUSER = "postgres"
MARKER = "meterr-format"  # inside the data directory, so that it lives and dies with it
FORMAT = "1"
_INITDB_TIMEOUT_S = 180
_ELSEWHERE = "Choose another data directory, or move this one away."


def major_of(data: Path) -> int | None:
    """
    Return the PostgreSQL version of the cluster at ``data``; None when there is nothing yet.

    Raises EmbeddedPostgresError for anything there that is not a whole cluster of ours.
    """
    if not data.exists():
        return None
    if not data.is_dir():
        raise EmbeddedPostgresError(f"{data} is not a directory. {_ELSEWHERE}")
    names = {path.name for path in data.iterdir()}
    if not names:
        return None
    if MARKER not in names:
        what = "a PostgreSQL cluster that meterr did not make" if "PG_VERSION" in names else "files"
        raise EmbeddedPostgresError(f"{data} holds {what}; meterr leaves it alone. {_ELSEWHERE}")
    written = (data / MARKER).read_text(encoding="ascii", errors="replace").strip()
    if written != FORMAT:
        raise EmbeddedPostgresError(
            f"{data} has the format {written!r} and this meterr knows {FORMAT!r}: run the meterr "
            "that made it."
        )
    if "PG_VERSION" not in names:
        raise EmbeddedPostgresError(
            f"{data} is damaged: PG_VERSION is missing. Restore it from a backup. {_ELSEWHERE}"
        )
    text = (data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if not text.isdecimal():
        raise EmbeddedPostgresError(
            f"{data} is damaged: PG_VERSION says {text[:20]!r}. Restore it from a backup."
        )
    return int(text)


def check_access(data: Path, account: Account) -> None:
    """Raise EmbeddedPostgresError unless ``data`` is ``account``'s own and closed to all others."""
    found = data.stat()
    if found.st_uid != account.uid:
        raise EmbeddedPostgresError(
            f"{data} belongs to user id {found.st_uid}, PostgreSQL would run as {account.name!r} "
            f"({account.uid}). Start meterr as the owner, or chown -R the directory."
        )
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise EmbeddedPostgresError(
            f"{data} is open to other users (mode {mode:04o}): run chmod 0700 on it."
        )


def initialise(
    layout: Layout, initdb: Path, account: Account, password: str, pass_fds: Sequence[int]
) -> None:
    """Make the cluster beside its place and move it there whole: killed half way, it never was."""
    discard_staging(layout)
    layout.staging.mkdir(mode=0o700)
    account.own(layout.staging)
    password_file = layout.staging / "password"
    write_private(password_file, password, 0o400, account)
    fresh = layout.staging / "data"
    done = child.run(
        [
            initdb,
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth-local=scram-sha-256",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
        ],
        account,
        timeout_s=_INITDB_TIMEOUT_S,
        mode=DeathWatch.of_this_system().value,
        pass_fds=pass_fds,
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(
            f"initdb could not make {layout.data}: {_last_line(done.stdout)}", private=done.stdout
        )
    write_private(fresh / MARKER, FORMAT + "\n", 0o400, account)
    sync_directory(fresh)
    if layout.data.exists():
        layout.data.rmdir()  # empty, as major_of() has seen
    fresh.rename(layout.data)
    sync_directory(layout.home)
    discard_staging(layout)


def discard_staging(layout: Layout) -> None:
    """Remove what a killed initdb left behind."""
    if layout.staging.exists():
        shutil.rmtree(layout.staging)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "error:" in line or "FATAL:" in line]
    return lines[-1] if lines else (text.strip().splitlines() or ["no message"])[-1]
