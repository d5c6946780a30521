"""Make an encrypted backup: pg_dump into the age format, no plaintext on any disk."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from meterr.core.backup import store
from meterr.core.backup.errors import BackupRefused
from meterr.core.backup.keys import Needs
from meterr.core.backup.library import Cipher
from meterr.core.backup.pipes import Aside, pipes_of
from meterr.core.backup.programs import Programs, find_programs, finish

_ARGUMENTS: Final = ("--format=custom", "--schema=meterr", "--schema=usage", "--no-password")


def backup(
    dsn: str, path: Path, recipients: Sequence[str], cipher: Cipher, *, bin_dir: Path | None = None
) -> Needs:
    """
    Write the schemas of meterr to ``path``, encrypted to ``recipients``.

    Returns what it cannot be used without and does not hold. ``dsn`` is a login that sees every
    row. The file appears whole or not at all, mode 0600.

    Raises:
        BackupRefused: the file is there already, the login or the programs will not do.
        BackupFailed: pg_dump did not get to its end.
    """
    if path.exists():
        raise BackupRefused(f"{path} is there already; a backup overwrites nothing")
    with store.connect(dsn) as connection:
        found = store.server(connection)
        refuse_blind(found)
        tables = store.tables(connection)
        if not tables:
            raise BackupRefused("there is no schema of meterr in this database")
        # A view in a table's place would run with an administrator's rights.
        readable = {"data_key", "api_key"} <= set(tables)
        needs = store.needs(connection) if readable else Needs((), ())
    programs = find_programs(bin_dir, found.major)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, lambda file: _dump(programs, dsn, file, recipients, cipher))
        os.link(draft, path)  # and not a rename, which would overwrite what came meanwhile
    finally:
        draft.unlink(missing_ok=True)
    return needs


def refuse_blind(found: store.Server) -> None:
    """Raise BackupRefused for a login that row-level security would show an empty database."""
    if not found.sees_every_row:
        raise BackupRefused(
            "this login does not see every row: set METERR_DATABASE_ADMIN_URL to a superuser or a "
            "role with BYPASSRLS"
        )


def _write(draft: Path, fill: Callable[[int], None]) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fill(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(
    programs: Programs, dsn: str, descriptor: int, recipients: Sequence[str], cipher: Cipher
) -> None:
    with (
        programs.start("pg_dump", _ARGUMENTS, dsn) as process,
        os.fdopen(os.dup(descriptor), "wb") as file,
    ):
        pipes = pipes_of(process)
        pipes.stdin.close()
        words = Aside(pipes.stderr.read)
        try:
            cipher.encrypt(pipes.stdout, file, recipients)
        # Whatever ended it, a pg_dump whose output nobody takes would wait for ever.
        except BaseException:
            process.kill()
            raise
        finish(process, "pg_dump", words.result())
