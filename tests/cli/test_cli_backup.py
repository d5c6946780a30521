"""``meterr db backup`` and ``restore``: encrypted, whole or not at all, and never over anything."""

import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pyrage
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meterr.core.backup import BackupRefused, age, restore
from meterr.core.backup.library import Reader, Writer
from meterr.core.backup.programs import Programs, find_programs
from meterr.core.postgres import EmbeddedPostgres
from support import server
from support.backups import BACKUP_CANARY, contents, into, restored
from support.catalogue import snapshot
from support.command_line import CommandLine
from support.rows import TENANT_TABLES


def files_with(folder: Path, canary: str) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in paths if canary.encode() in path.read_bytes()]


def test_a_backup_comes_back_as_it_was(
    operator: CommandLine, made: Path, identity_file: Path, other: tuple[str, str], admin_dsn: str
) -> None:
    """Every row, every grant, every policy; and meterr works on it with its own login."""
    done = restored(into(operator, other), made, identity_file)

    assert 0 == done.status, done
    assert contents(admin_dsn) == contents(other[1])
    assert set(TENANT_TABLES) <= contents(other[1]).keys()
    before, after = snapshot(admin_dsn), snapshot(other[1])
    assert {} == {
        name: (text, after.get(name)) for name, text in before.items() if text != after.get(name)
    }
    assert before.keys() == after.keys()
    assert "The schema is up to date." in into(operator, other).ok("db", "migrate").err
    assert BACKUP_CANARY in into(operator, other).ok("tenant", "list").out


def test_a_backup_is_encrypted_and_its_own(made: Path, operator: CommandLine) -> None:
    """No plaintext on any disk: not in the file, not beside it, not in the temporary folder."""
    assert made.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert 0o600 == stat.S_IMODE(made.stat().st_mode)
    assert [] == files_with(operator.folder, BACKUP_CANARY)
    assert [] == [path.name for path in operator.folder.iterdir() if path.name.startswith(".")]


def test_a_backup_overwrites_nothing(
    operator: CommandLine, made: Path, age_identity: pyrage.x25519.Identity
) -> None:
    """Yesterday's backup is not lost to a typing error."""
    before = made.read_bytes()

    refused = operator("db", "backup", str(made), "--recipient", str(age_identity.to_public()))

    assert (2, before) == (refused.status, made.read_bytes())


@pytest.mark.parametrize("recipient", ["age1zzz", "", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1"])
def test_a_wrong_recipient_leaves_no_file(operator: CommandLine, recipient: str) -> None:
    """A backup that nobody can open is not made."""
    refused = operator("db", "backup", "x.age", "--recipient", recipient)

    assert 2 == refused.status
    assert [] == [path.name for path in operator.folder.iterdir() if "age" in path.name]


def test_a_login_that_is_held_to_row_security_makes_no_backup(
    operator: CommandLine, database_url: str, age_identity: pyrage.x25519.Identity
) -> None:
    """It would be a backup of nothing that says it is one."""
    plain = into(operator, (database_url, database_url))

    refused = plain("db", "backup", "x.age", "--recipient", str(age_identity.to_public()))

    assert 2 == refused.status
    assert "METERR_DATABASE_ADMIN_URL" in refused.err
    assert not (operator.folder / "x.age").exists()


def damaged(backup: Path, kind: str) -> Path:
    data = backup.read_bytes()
    middle = len(data) * 2 // 3
    altered = {
        "cut": data[:-1],
        "cut at a chunk": data[: len(data) // 2],
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "flipped at the end": data[:-1] + bytes([data[-1] ^ 1]),
        "flipped header": data.replace(b"X25519", b"X25518", 1),
        "not age": b"PGDMP" + data,
        "empty": b"",
    }[kind]
    file = backup.with_name("damaged")
    file.write_bytes(altered)
    return file


@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "cut at a chunk",
        "flipped",
        "flipped at the end",
        "flipped header",
        "not age",
        "empty",
    ],
)
def test_a_damaged_backup_changes_nothing(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str, kind: str
) -> None:
    """Verified to its end before anything is replaced, also with --replace."""
    before = contents(admin_dsn)

    refused = restored(operator, damaged(made, kind), identity_file, "--replace")

    assert 1 == refused.status, refused
    assert before == contents(admin_dsn)


def test_a_wrong_identity_changes_nothing(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str
) -> None:
    """And says no more than that it is not for this identity."""
    stranger = identity_file.with_name("stranger")
    stranger.write_text(str(pyrage.x25519.Identity.generate()))
    stranger.chmod(0o400)
    before = contents(admin_dsn)

    refused = restored(operator, made, stranger, "--replace")

    assert (1, before) == (refused.status, contents(admin_dsn))
    assert "AGE-SECRET" not in refused.err


@pytest.mark.parametrize(("mode", "text"), [(0o444, None), (0o400, ""), (0o400, "hello")])
def test_an_identity_file_that_will_not_do_is_refused(
    operator: CommandLine, made: Path, identity_file: Path, mode: int, text: str | None
) -> None:
    """S1:418: open to others, empty, or something else."""
    if text is not None:
        identity_file.chmod(0o600)
        identity_file.write_text(text)
    identity_file.chmod(mode)

    assert 2 == restored(operator, made, identity_file, "--replace").status


def test_something_else_in_age_format_is_refused(
    operator: CommandLine, age_identity: pyrage.x25519.Identity, identity_file: Path, admin_dsn: str
) -> None:
    """Decrypts well, and is no dump: pg_restore is asked before the database is."""
    file = operator.folder / "letter.age"
    file.write_bytes(pyrage.encrypt(b"dear reader" * 9000, [age_identity.to_public()]))
    before = contents(admin_dsn)

    refused = restored(operator, file, identity_file, "--replace")

    assert (1, before) == (refused.status, contents(admin_dsn))


def test_a_database_that_is_not_empty_is_replaced_only_when_told(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str
) -> None:
    """All of it: what came after the backup is gone, and nothing is left of what was there."""
    before = contents(admin_dsn)
    with psycopg.connect(admin_dsn) as connection:
        connection.execute("update meterr.tenant set name = 'renamed since'")
        connection.execute("create table meterr.made_since (a int)")
    since = contents(admin_dsn)

    refused = restored(operator, made, identity_file)
    assert (2, since) == (refused.status, contents(admin_dsn))
    assert "--replace" in refused.err

    done = restored(operator, made, identity_file, "--replace")
    assert (0, before) == (done.status, contents(admin_dsn))
    assert "What was there before is gone." in done.err


def test_a_database_that_is_in_use_is_not_replaced(
    operator: CommandLine, made: Path, identity_file: Path, database_url: str, admin_dsn: str
) -> None:
    """A gateway that goes on would act on what it remembers, whatever a session calls itself."""
    before = contents(admin_dsn)
    for name in ("meterr meterr_app", "psql", ""):
        with psycopg.connect(database_url, application_name=name):
            refused = restored(operator, made, identity_file, "--replace")
        assert (2, before) == (refused.status, contents(admin_dsn))
        assert "1 as meterr" in refused.err


class Watched:
    """The age format; ``then`` is called before the last time that the backup is read."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._times = 0

    def encrypt(self, reader: Reader, writer: Writer, recipients: Sequence[str]) -> None:
        age().encrypt(reader, writer, recipients)

    def decrypt(self, reader: Reader, writer: Writer, identities: Sequence[str]) -> None:
        self._times += 1
        if self._times == 3:
            self._then()
        age().decrypt(reader, writer, identities)


@pytest.mark.parametrize("who", ["meterr", "a superuser"])
def test_who_connects_while_it_restores_is_noticed_before_the_commit(
    made: Path,
    age_identity: pyrage.x25519.Identity,
    database_url: str,
    admin_dsn: str,
    who: str,
) -> None:
    """A supervisor starts again what was stopped: it would go on with what it read before."""
    before = contents(admin_dsn)
    came: list[psycopg.Connection[tuple[object, ...]]] = []
    address = database_url if who == "meterr" else admin_dsn
    with ExitStack() as stack:
        cipher = Watched(lambda: came.append(stack.enter_context(psycopg.connect(address))))
        with pytest.raises(
            BackupRefused, match=r"somebody is connected who may act as meterr \(1 "
        ):
            restore(
                admin_dsn,
                made,
                [str(age_identity)],
                cipher,
                login="meterr",
                replace=True,
                keys=None,
                bin_dir=server.newest_binaries(),
            )
    assert 1 == len(came)
    assert before == contents(admin_dsn)


def test_a_backup_of_another_schema_changes_nothing(
    operator: CommandLine, age_identity: pyrage.x25519.Identity, identity_file: Path, admin_dsn: str
) -> None:
    """A newer meterr's backup waits for the newer meterr."""
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(
            "insert into meterr.schema_migration values (2, '0002_future', repeat('a', 64))"
        )
    operator.ok("db", "backup", "new.age", "--recipient", str(age_identity.to_public()))
    before = contents(admin_dsn)

    refused = restored(operator, operator.folder / "new.age", identity_file, "--replace")

    assert (1, before) == (refused.status, contents(admin_dsn))
    assert "newer" in refused.err


def test_a_restore_that_fails_half_way_undoes_all_of_it(
    operator: CommandLine, made: Path, identity_file: Path, admin_dsn: str
) -> None:
    """The old schema is dropped and the new one put in place in one transaction: or neither."""
    with psycopg.connect(admin_dsn) as connection:
        # Policies are among the last things of a dump: all data is in place by then.
        connection.execute(
            """create function public.refuse() returns event_trigger language plpgsql as
               $$ begin raise exception 'not today'; end $$"""
        )
        connection.execute(
            """create event trigger refuse on ddl_command_end when tag in ('CREATE POLICY')
               execute function public.refuse()"""
        )
    before = contents(admin_dsn)

    refused = restored(operator, made, identity_file, "--replace")

    assert (1, before) == (refused.status, contents(admin_dsn))
    assert "not today" in refused.err


def test_a_restore_that_is_killed_leaves_what_was_there(
    operator: CommandLine,
    made: Path,
    identity_file: Path,
    admin_dsn: str,
    stranger: str,
    postgres: EmbeddedPostgres,
) -> None:
    """kill -9 while psql waits in the middle of its transaction: nothing was committed."""
    with psycopg.connect(admin_dsn) as admin:
        admin.execute("grant usage on schema meterr to public")
        admin.execute("grant select on meterr.tenant to public")
    before = contents(admin_dsn)
    with psycopg.connect(stranger) as holder:
        holder.execute("lock table meterr.tenant in access share mode")  # the drop waits here
        with operator.process(
            "db", "restore", str(made), "--identity", str(identity_file), "--replace"
        ) as process:
            _until_somebody_waits(postgres.admin_dsn, holder.info.dbname)
            process.kill()
    assert before == contents(admin_dsn)


def _until_somebody_waits(admin_dsn: str, name: str) -> None:
    """Look from another database: who is connected to that one as a superuser stops a restore."""
    waiting = """select count(*) from pg_locks l join pg_database d on d.oid = l.database
                  where not l.granted and d.datname = %s"""
    given_up = threading.Event()
    timer = threading.Timer(60, given_up.set)
    timer.start()
    try:
        with psycopg.connect(admin_dsn, autocommit=True) as looking:
            while looking.execute(waiting, [name]).fetchone() == (0,):
                assert not given_up.wait(0.01)
    finally:
        timer.cancel()


_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")


@pytest.mark.parametrize("name", _SECRETS)
def test_no_secret_of_an_address_is_in_an_argument_of_a_program(name: str) -> None:
    """P6: arguments are in process lists; the passphrase of a client's key is a secret, too."""
    programs = find_programs(server.newest_binaries(), 0)

    process = programs.start("psql", ["--version"], f"host=localhost dbname=x {name}=canary-7f3a")
    out, err = process.communicate()

    assert (0, b"") == (process.returncode, err), out
    assert isinstance(process.args, list)
    assert "canary-7f3a" not in " ".join(map(str, process.args))


def test_what_is_in_no_argument_reaches_the_program(
    operator: CommandLine, admin_dsn: str, tmp_path: Path
) -> None:
    """It is read from a pipe: as a service of the name that the address has then."""
    address = make_conninfo(admin_dsn, sslpassword="with = and # and 'quotes'")
    told = tmp_path / "psql"
    told.write_text('#!/bin/sh\ncat "$PGSERVICEFILE"; echo "$@"\n')
    told.chmod(0o700)
    out, _ = Programs(tmp_path, 0).start("psql", [], address).communicate()
    service, arguments = out.decode().split("\n--dbname ")
    assert "[meterr]\nsslpassword=with = and # and 'quotes'" == service
    assert "service=meterr" in arguments

    process = find_programs(server.newest_binaries(), 0).start(
        "psql", ["--no-psqlrc", "--tuples-only", "--command=select 40 + 2"], address
    )
    out, err = process.communicate()
    assert (0, b"42", b"") == (process.returncode, out.strip(), err)
    there = replace(
        operator,
        environment={**operator.environment, "METERR_DATABASE_ADMIN_URL": address},
    )
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    there.ok("db", "backup", "x.age", "--recipient", recipient)


def test_the_programs_go_where_libpqs_variables_lead(
    operator: CommandLine, made: Path, identity_file: Path, other: tuple[str, str], admin_dsn: str
) -> None:
    """P5: what is replaced is what was looked at, also where PGHOST and its like say which."""
    parts = conninfo_to_dict(other[1])
    variables = {f"PG{name.upper()}": str(parts.pop(name)) for name in ("host", "port", "user")}
    address = make_conninfo("", **parts)
    there = into(operator, (other[0], address))
    there = replace(there, environment={**there.environment, **variables})

    done = restored(there, made, identity_file)

    assert 0 == done.status, done
    assert contents(admin_dsn) == contents(other[1])


@pytest.mark.parametrize("value", ["a\nb", "ends with a space ", "x" * 1000])
def test_a_secret_that_no_service_file_can_hold_is_refused(value: str) -> None:
    """It would arrive as another one; the refusal does not repeat it."""
    programs = find_programs(server.newest_binaries(), 0)
    address = make_conninfo("dbname=x", sslpassword=value)
    with pytest.raises(BackupRefused) as refused:
        programs.start("psql", ["--version"], address)
    assert value not in str(refused.value)
