"""What an embedded server is like while it runs: private, quiet, ours."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import EmbeddedPostgres, binaries
from meterr.core.postgres.layout import Layout
from support.server import FAST, newest_binaries, open_directory

CANARY = "canary-5f1d9c"
ON_LINUX = sys.platform == "linux"


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


@pytest.fixture(scope="module")
def running(root: Path) -> Iterator[EmbeddedPostgres]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", CANARY)
        server = EmbeddedPostgres(root, newest_binaries())
        server.start()
    yield server
    server.stop()


def setting(server: EmbeddedPostgres, name: str) -> str:
    with psycopg.connect(server.admin_dsn) as connection:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
        assert row is not None
        return row[0]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_and_passwords_are_closed_to_others(
    running: EmbeddedPostgres, root: Path
) -> None:
    """Issue 2, item 3: random password, file 0400."""
    layout = Layout(root)

    assert [0o700] * 3 == [mode(path) for path in (layout.data, layout.run, layout.secrets)]
    secrets = {path.name: (mode(path), path.stat().st_uid) for path in layout.secrets.iterdir()}
    assert {"meterr": (0o400, os.geteuid()), "postgres": (0o400, os.geteuid())} == secrets
    assert 0o600 == mode(layout.log)
    assert 0o700 == mode(layout.run / ".s.PGSQL.5432")


def test_passwords_are_long_and_differ(running: EmbeddedPostgres, root: Path) -> None:
    """192 random bits each."""
    texts = {path.read_text() for path in Layout(root).secrets.iterdir()}

    assert [32, 32] == [len(text) for text in texts]


def test_every_way_in_asks_for_the_password(running: EmbeddedPostgres) -> None:
    """The wheel's manager trusts every local user on every line."""
    with psycopg.connect(running.admin_dsn) as connection:
        methods = connection.execute(
            "select type, auth_method from pg_hba_file_rules where error is null"
        ).fetchall()

    assert {("local", "scram-sha-256"), ("host", "reject")} == set(methods)
    for dsn in (running.dsn, running.admin_dsn):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(dsn, password="wrong"))


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_nothing_listens_on_the_network(running: EmbeddedPostgres) -> None:
    """Issue 2, item 3: unix socket only; the witness is the kernel, not the setting."""
    sockets = set()
    for fd in Path(f"/proc/{running.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            sockets.add(fd.readlink().name)
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{running.pid}/net/{table}").read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in sockets
    assert "" == setting(running, "listen_addresses")


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_the_server_knows_none_of_our_credentials(running: EmbeddedPostgres) -> None:
    """P6: a superuser of the database could read the environment it was started with."""
    environment = Path(f"/proc/{running.pid}/environ").read_bytes()

    assert CANARY.encode() not in environment
    assert {b"PATH", b"LC_ALL", b"TZ"} >= {
        entry.partition(b"=")[0] for entry in environment.split(b"\0") if b"PG" not in entry
    } - {b""}


def test_the_server_does_not_run_as_root(running: EmbeddedPostgres, root: Path) -> None:
    """Its own unprivileged user when we are root; it owns what it needs and nothing else."""
    owner = Layout(root).data.stat().st_uid

    assert 0 != owner
    if ON_LINUX:
        assert owner == Path(f"/proc/{running.pid}").stat().st_uid
        assert "Groups:\t \n" in Path(f"/proc/{running.pid}/status").read_text() or os.geteuid()


def test_pages_have_checksums_and_commits_reach_the_disk(running: EmbeddedPostgres) -> None:
    """Issue 2, item 3: data checksums; fsync is never traded for speed by default."""
    wanted = {"data_checksums": "on", "fsync": "on", "full_page_writes": "on"}

    assert wanted == {name: setting(running, name) for name in wanted}
    assert "on" == setting(running, "synchronous_commit")
    assert ("UTF8", "100") == (
        setting(running, "server_encoding"),
        setting(running, "max_connections"),
    )


def test_the_log_holds_neither_statements_nor_values(running: EmbeddedPostgres, root: Path) -> None:
    """P6: errors are logged, what tenants own is not."""
    statements = [
        f"select '{CANARY}'::int",
        f"select no_such_column /* {CANARY} */",
        f"create table t (x text unique); insert into t values ('{CANARY}'), ('{CANARY}')",
        f"do $$ begin raise exception 'short' using detail = '{CANARY}'; end $$",
    ]
    with psycopg.connect(running.admin_dsn, autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(psycopg.Error):
                connection.execute(statement)

    text = Layout(root).log.read_text()

    assert 'column "no_such_column" does not exist' in text
    assert [] == [line for line in text.splitlines() if CANARY in line and "integer" not in line]


def test_the_login_is_no_superuser_and_takes_on_each_role(running: EmbeddedPostgres) -> None:
    """Ready to use: the roles are there before the first migration."""
    groups = ("meterr_owner", "meterr_app", "meterr_auth", "meterr_drain", "meterr_identity")
    for role in groups:
        with psycopg.connect(running.dsn, options=f"-c role={role}") as connection:
            row = connection.execute(
                "select session_user::text, current_user::text, current_setting('is_superuser')"
            ).fetchone()
            assert ("meterr", role, "off") == row


def test_a_path_too_long_for_a_socket_gets_a_short_private_one_and_says_so(
    data_root: Path,
) -> None:
    """The kernel allows 107 bytes; PostgreSQL would refuse to start."""
    deep = data_root / ("d" * 90)
    said: list[str] = []
    with (
        EmbeddedPostgres(deep, newest_binaries(), server_settings=FAST, say=said.append) as server,
        psycopg.connect(server.dsn) as connection,
    ):
        assert (1,) == connection.execute("select 1").fetchone()
        directory = Path(connection.info.host)
        assert 0o700 == mode(directory)
        assert directory.stat().st_uid == Layout(deep).data.stat().st_uid
        assert any("too long for a unix socket" in sentence for sentence in said)
    assert not directory.exists()


def test_stopping_cuts_sessions_off_and_may_be_repeated(data_root: Path) -> None:
    """A forgotten session does not keep meterr from stopping."""
    server = EmbeddedPostgres(data_root, newest_binaries(), server_settings=FAST)
    server.start()
    with psycopg.connect(server.dsn) as connection:
        connection.execute("select 1")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    server.stop()
    assert server.start()
    server.stop()


def test_a_cluster_is_run_by_its_own_version_whatever_is_found_first(data_root: Path) -> None:
    """Installing another PostgreSQL beside must not lock anybody out of their data."""
    for directory in reversed(binaries.wheel_directories()):
        root = data_root / directory.parent.name
        with EmbeddedPostgres(root, directory, server_settings=FAST) as server:
            version = setting(server, "server_version_num")
        with EmbeddedPostgres(root, server_settings=FAST) as server:
            assert version[:2] == setting(server, "server_version_num")[:2]


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the server runs as the same user")
def test_binaries_in_a_closed_place_are_copied_and_the_place_stays_closed(
    data_root: Path, tmp_path: Path
) -> None:
    """A wheel below root's home; the wheel's own manager opens every parent directory instead."""
    wheel = newest_binaries()
    assert wheel is not None
    closed = tmp_path / "closed"
    package = wheel.parents[1]
    for part in (package.name, f"{package.name}.libs", f"{package.name}/.dylibs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, closed / part, symlinks=True)
    closed.chmod(0o700)
    hidden = closed / wheel.relative_to(package.parent)

    with EmbeddedPostgres(data_root, hidden, server_settings=FAST) as server:
        assert "18" == setting(server, "server_version_num")[:2]

    assert 0o700 == mode(closed)
    assert [1] == [len(list(Layout(data_root).home.glob("postgresql-18*/*/*/bin/postgres")))]


@pytest.mark.skipif(os.geteuid() != 0, reason="this whole file runs without root then")
def test_it_runs_the_same_without_root(data_root: Path) -> None:
    """As an ordinary user the server is that user's, and nothing changes hands."""
    python = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    if not python.exists():
        pytest.skip("no interpreter that an ordinary user can execute")
    os.chown(data_root, 65534, 65534)
    program = (
        "import pathlib, sys; from meterr.core.postgres import EmbeddedPostgres\n"
        "with EmbeddedPostgres(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])) as server:\n"
        "    print(server.pid > 0)"
    )
    paths = [Path(binaries.__file__).parents[3], Path(psycopg.__file__).parents[1]]
    done = subprocess.run(
        [python, "-c", program, data_root, newest_binaries()],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("True\n", "") == (done.stdout, done.stderr)
    assert 65534 == Layout(data_root).data.stat().st_uid
    assert 0o700 == mode(Layout(data_root).home)
