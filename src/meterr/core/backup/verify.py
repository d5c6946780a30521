"""Read a backup to its end before anything is touched: is it whole, and is it ours?"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from meterr.core.backup.errors import BackupFailed
from meterr.core.backup.library import Cipher
from meterr.core.backup.pipes import Aside, Unread, pipes_of
from meterr.core.backup.programs import Programs, finish
from meterr.core.migrate import Applied, pending, read_migrations

_HEADER: Final = b"age-encryption.org/v1\n"
_SCHEMA = re.compile(r"^\d+; \d+ \d+ SCHEMA - meterr ", re.MULTILINE)
_OTHERS = re.compile(r"^\d+; \d+ \d+ SCHEMA - (?!(?:meterr|usage) )", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d+)\t(\S+)\t([0-9a-f]{64})\t", re.MULTILINE)


def open_backup(path: Path) -> IO[bytes]:
    """Open the file; raise BackupFailed when it is not encrypted in the age format."""
    file = path.open("rb")
    if file.read(len(_HEADER)) != _HEADER:
        file.close()
        raise BackupFailed(f"{path} is no backup of meterr: it is not encrypted with age.")
    return file


def verify(
    file: IO[bytes], identities: Sequence[str], cipher: Cipher, programs: Programs
) -> Sequence[str]:
    """
    Decrypt the backup to its end, twice, and let pg_restore read it.

    Returns the names of the migrations that it lacks.

    Raises:
        BackupFailed: it is damaged, cut short, not for this identity, or no dump of our schema.
        SchemaMismatch: it was made by a newer meterr, or by one with another history.
    """
    listed = _read(file, identities, cipher, programs, ["--list"])
    if not _SCHEMA.search(listed) or _OTHERS.search(listed):
        raise BackupFailed("The backup is whole, but no backup of meterr's schema.")
    rows = _read(
        file, identities, cipher, programs, ["--data-only", "--table=schema_migration", "--file=-"]
    )
    applied = [Applied(int(at), name, sha) for at, name, sha in _MIGRATION.findall(rows)]
    if not applied:
        raise BackupFailed("The backup is whole, but does not say which schema it has.")
    return [migration.name for migration in pending(read_migrations(), applied)]


def _read(
    file: IO[bytes],
    identities: Sequence[str],
    cipher: Cipher,
    programs: Programs,
    arguments: Sequence[str],
) -> str:
    """Return what pg_restore says about the whole backup, or raise BackupFailed."""
    file.seek(0)
    with programs.start("pg_restore", arguments) as process:
        pipes = pipes_of(process)
        said, words = Aside(pipes.stdout.read), Aside(pipes.stderr.read)
        taker = Unread(pipes.stdin)
        try:
            cipher.decrypt(file, taker, identities)
        # Whatever ended it, Ctrl-C included, leaves no pg_restore behind. Its own words would add
        # nothing to what is raised.
        except BaseException:
            process.kill()
            raise
        finally:
            taker.close()
        text = said.result().decode("utf-8", "replace")
        finish(process, "pg_restore", words.result())
    return text
