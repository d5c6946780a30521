"""P2 below us: whatever is killed, the embedded server comes back with every committed row."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from meterr.core.postgres import EmbeddedPostgres
from meterr.core.postgres.child import DeathWatch
from meterr.core.postgres.layout import Layout
from meterr.core.postgres.lock import FileLock
from support import embedded_victim
from support.server import newest_binaries

WATCHES = [DeathWatch.PIPE] + ([DeathWatch.KERNEL] if sys.platform == "linux" else [])


@contextmanager
def victim(root: Path, death_watch: DeathWatch) -> Iterator[subprocess.Popen[str]]:
    """A supervisor in a process of its own; killed at the latest when the block ends."""
    with subprocess.Popen(
        [sys.executable, embedded_victim.__file__, root, death_watch.value, newest_binaries()],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def rows_written(dsn: str) -> set[int]:
    with psycopg.connect(dsn) as connection:
        return {n for (n,) in connection.execute("select n from written").fetchall()}


def wait_until_no_server_lives(root: Path) -> None:
    """server.lock is inherited by every process of the server and free when none lives."""
    lock = FileLock(Layout(root).server_lock)
    assert lock.take(timeout_s=60)
    lock.close()


@pytest.mark.attack
@pytest.mark.parametrize("death_watch", WATCHES)
def test_killing_the_parent_ends_the_server_and_loses_no_committed_row(
    data_root: Path, death_watch: DeathWatch
) -> None:
    """Issue 2, item 3: seeded rounds; the witness is what was acknowledged before the kill."""
    randomness = random.Random(20261122)
    acknowledged: set[int] = set()
    for _ in range(3):
        with victim(data_root, death_watch) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("server ")
            for _ in range(randomness.randrange(1, 400)):
                acknowledged.add(int(process.stdout.readline()))
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines(keepends=True)
            acknowledged.update(int(line) for line in rest if line.endswith("\n"))
        wait_until_no_server_lives(data_root)

    with EmbeddedPostgres(data_root, newest_binaries()) as server:
        assert set() == acknowledged - rows_written(server.admin_dsn)


def test_a_supervisor_started_at_once_after_a_kill_waits_for_the_old_server(
    data_root: Path,
) -> None:
    """Two servers never share a data directory, however fast the restart."""
    with victim(data_root, WATCHES[-1]) as process:
        assert process.stdout is not None
        first = process.stdout.readline().split()[1]
        process.send_signal(signal.SIGKILL)
        process.wait()
        with EmbeddedPostgres(data_root, newest_binaries()) as server:
            assert first != str(server.pid)
            with psycopg.connect(server.dsn) as connection:
                assert (1,) == connection.execute("select 1").fetchone()


def test_a_killed_postmaster_is_started_again_with_its_rows(data_root: Path) -> None:
    """The server dies on its own; same DSN afterwards, nothing committed is missing."""
    with EmbeddedPostgres(data_root, newest_binaries()) as server:
        dsn, pid = server.admin_dsn, server.pid
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table written as select n from generate_series(1, 500) n")
        assert not server.ensure_running()

        server._process.send_signal(signal.SIGKILL)
        server._process.wait()
        assert server.poll() == -signal.SIGKILL
        assert server.ensure_running()

        assert (dsn, False) == (server.admin_dsn, pid == server.pid)
        assert set(range(1, 501)) == rows_written(dsn)


def test_a_killed_launcher_leaves_no_server_in_the_way(data_root: Path) -> None:
    """Where a pipe watches, its watcher can be killed too; the server is then found and stopped."""
    with EmbeddedPostgres(data_root, newest_binaries(), death_watch=DeathWatch.PIPE) as server:
        first = server.pid
        with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
            connection.execute("create table written as select n from generate_series(1, 500) n")
        server._process.send_signal(signal.SIGKILL)
        server._process.wait()

        assert server.ensure_running()

        assert first != server.pid
        assert set(range(1, 501)) == rows_written(server.admin_dsn)


def test_a_recycled_pid_in_the_lock_files_fools_nobody(data_root: Path) -> None:
    """The wheel's manager calls that server ready; PostgreSQL itself refuses to start for it."""
    with EmbeddedPostgres(data_root, newest_binaries()):
        pass
    layout = Layout(data_root)
    with subprocess.Popen(["sleep", "600"]) as bystander:
        lines = f"{bystander.pid}\n{layout.data}\n0\n5432\n{layout.run}\n\n"
        (layout.data / "postmaster.pid").write_text(lines)
        (layout.run / ".s.PGSQL.5432.lock").write_text(lines)
        try:
            with EmbeddedPostgres(data_root, newest_binaries()) as server:
                assert bystander.pid != server.pid
                with psycopg.connect(server.dsn) as connection:
                    assert (1,) == connection.execute("select 1").fetchone()
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_initdb_killed_half_way_is_done_again(data_root: Path) -> None:
    """The data directory is made beside its place and moved there whole."""
    layout = Layout(data_root)
    with victim(data_root, WATCHES[-1]) as process:
        deadline = time.monotonic() + 60
        while not (layout.staging / "data" / "PG_VERSION").exists():
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not layout.data.exists()

    with EmbeddedPostgres(data_root, newest_binaries()) as server:
        assert not layout.staging.exists()
        with psycopg.connect(server.dsn) as connection:
            assert (1,) == connection.execute("select 1").fetchone()


def test_what_a_kill_after_initdb_left_undone_is_done_at_the_next_start(data_root: Path) -> None:
    """Login, database and roles are made again when missing."""
    with (
        EmbeddedPostgres(data_root, newest_binaries()) as server,
        psycopg.connect(server.admin_dsn, autocommit=True) as connection,
    ):
        connection.execute("drop database meterr")
        groups = ("meterr_owner", "meterr_app", "meterr_auth", "meterr_drain", "meterr_identity")
        for role in ("meterr", *groups):
            connection.execute(f"drop role {role}")
    (Layout(data_root).secrets / "meterr").unlink()

    with (
        EmbeddedPostgres(data_root, newest_binaries()) as server,
        psycopg.connect(server.dsn, options="-c role=meterr_app") as connection,
    ):
        assert ("meterr_app",) == connection.execute("select current_user::text").fetchone()
