"""
Restore a backup: verified to its end first, then put in place in one transaction, or not at all.

The plaintext goes from pipe to pipe. psql runs between a ``begin`` and a ``commit`` that we write:
the commit is said last, after the backup was read to its end once more and every program was
content. Whatever ends before that, this process included, leaves the database as it was.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from meterr.core.backup import store
from meterr.core.backup.dump import refuse_blind
from meterr.core.backup.errors import BackupFailed, BackupRefused
from meterr.core.backup.keys import Keys, refuse_lacking, variables
from meterr.core.backup.library import Cipher
from meterr.core.backup.pipes import Aside, Unread, pipes_of
from meterr.core.backup.programs import Programs, find_programs, finish
from meterr.core.backup.verify import open_backup, verify

_SETTLED = b"settled "
_OTHERS = b"others "
_PSQL = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password", "--file=-")


@dataclass(frozen=True, slots=True)
class Strike:
    """That every key is to be ended as well: an emergency, by whom."""

    emergency_id: str
    author: str


class Settled(msgspec.Struct, frozen=True):
    """
    What came back and what did not.

    ``keys`` of ``tenants`` count now. ``knew`` says whether the database before could tell what had
    ended since; ``stay_revoked`` of the keys stay so. ``struck`` were ended with ``Strike``.
    ``sessions``, ``links`` (invitations, resets) and ``codes`` were good, and are over.
    """

    keys: int
    tenants: int
    knew: bool
    stay_revoked: int
    struck: int
    sessions: int
    links: int
    codes: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and the migrations that it still lacks."""

    replaced: bool
    missing: Sequence[str]
    settled: Settled


def restore(
    dsn: str,
    path: Path,
    identities: Sequence[str],
    cipher: Cipher,
    *,
    login: str,
    replace: bool = False,
    strike: Strike | None = None,
    keys: Keys | None,
    bin_dir: Path | None = None,
) -> Restored:
    """
    Put the backup at ``path`` into the database at ``dsn``, a login that sees every row.

    ``login`` is the one that meterr uses there; it gets its roles. Replaces what is there only with
    ``replace``, and only when nobody is connected who may act as meterr, before and at the end.

    Nobody is signed in afterwards, and no invitation, reset or code of the backup is good. Keys,
    accounts, memberships and tenants that the database before knew to have ended stay ended; other
    keys count as they did then, unless ``strike`` ends all of them in the same transaction.

    ``keys`` are those at hand: a backup that needs others is not put in place. With None nobody
    looks.

    Raises:
        BackupRefused: there is something, or somebody, and ``replace`` or peace is missing; or
            keys are that it needs.
        BackupFailed, SchemaMismatch: the backup will not do. The database is as it was.
    """
    with open_backup(path) as file, store.connect(dsn) as connection:
        found = store.server(connection)
        refuse_blind(found)
        programs = find_programs(bin_dir, found.major)
        missing = verify(file, identities, cipher, programs)
        is_empty = _is_empty(connection)
        if not is_empty and not replace:
            raise BackupRefused(
                "the database is not empty: restore into another one, or replace all of it with "
                "--replace. The backup itself is good."
            )
        _refuse_others(store.other_sessions(connection))
        store.make_roles(connection, login)
        told = [*_variables(strike), *variables(keys), f"--set=ours={connection.info.backend_pid}"]
        said = _put_in_place(file, identities, cipher, programs, dsn, told)
    refuse_lacking(said)
    _refuse_others(_others(said))
    return Restored(replaced=not is_empty, missing=missing, settled=_settled(said))


def _refuse_others(others: Sequence[store.Others]) -> None:
    if others:
        raise BackupRefused(
            f"somebody is connected who may act as meterr ({', '.join(map(_told, others))}): "
            "stop meterr on every host, and end other sessions of these logins. Nothing was "
            "replaced."
        )


def _others(said: bytes) -> list[store.Others]:
    """Return who had come by the end, as the script told."""
    lines = [line for line in said.splitlines() if line.startswith(_OTHERS)]
    found = lines[-1].removeprefix(_OTHERS) if lines else b"[]"
    return msgspec.json.decode(found, type=list[store.Others])


def _told(others: store.Others) -> str:
    place = f" from {others.address}" if others.address else ""
    return f"{others.sessions} as {others.login}{place}"


def _variables(strike: Strike | None) -> list[str]:
    """Return what the script is told; psql quotes it."""
    emergency, author = ("", "") if strike is None else (strike.emergency_id, strike.author)
    return [f"--set=emergency={emergency}", f"--set=author={author}"]


def _settled(said: bytes) -> Settled:
    lines = [line for line in said.splitlines() if line.startswith(_SETTLED)]
    if not lines:
        raise BackupFailed("The backup is in place, but did not say what came back.")
    return msgspec.json.decode(lines[-1].removeprefix(_SETTLED), type=Settled)


def _is_empty(connection: store.Admin) -> bool:
    store.see_every_row(connection)
    return not any(store.has_rows(connection, table) for table in store.tables(connection))


def _put_in_place(
    file: IO[bytes],
    identities: Sequence[str],
    cipher: Cipher,
    programs: Programs,
    dsn: str,
    variables: Sequence[str],
) -> bytes:
    """Run the script in one transaction; return what psql wrote."""
    with programs.start("psql", [*_PSQL, *variables], dsn) as process:
        psql = pipes_of(process)
        said, words = Aside(psql.stdout.read), Aside(psql.stderr.read)
        taker = Unread(psql.stdin)
        try:
            taker.write(store.before_script())
            _script(file, identities, cipher, programs, taker)
            if taker.closed_early:
                taker.close()
                finish(process, "psql", words.result())
                raise BackupFailed("psql ended before it was told to.")
            taker.write(store.after_script())
        # Killed without the commit, it leaves nothing done. Only an interrupt in the instant in
        # which the commit was said cannot tell.
        except BaseException:
            process.kill()
            raise
        taker.close()
        written = said.result()
        finish(process, "psql", words.result())
    return written


def _script(
    file: IO[bytes],
    identities: Sequence[str],
    cipher: Cipher,
    programs: Programs,
    taker: Unread,
) -> None:
    """Write the dump as SQL, to its end, or raise BackupFailed."""
    file.seek(0)
    with programs.start("pg_restore", ["--file=-"]) as process:
        pipes = pipes_of(process)
        words = Aside(pipes.stderr.read)

        def feed() -> None:
            into = Unread(pipes.stdin)
            try:
                cipher.decrypt(file, into, identities)
            finally:
                into.close()

        fed = Aside(feed)
        shutil.copyfileobj(pipes.stdout, taker)
        fed.result()
        finish(process, "pg_restore", words.result())
