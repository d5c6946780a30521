"""Run PostgreSQL as our own child: private, mortal, restarted when it dies, never shared."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

import psycopg
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import child, cluster, socket_dir
from meterr.core.postgres.account import Account, choose_account
from meterr.core.postgres.binaries import find_binaries
from meterr.core.postgres.child import DeathWatch
from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.layout import Layout, keep_secret, read_secret
from meterr.core.postgres.lock import FileLock
from meterr.core.postgres.prepare import DATABASE, LOGIN, prepare, reported_data_directory
from meterr.core.postgres.relocate import reachable

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_LOG_BYTES_MAX = 8 * 1024 * 1024
_LOGIN_TIMEOUT_S = 2  # libpq's smallest
_ORPHAN_TIMEOUT_S = 60  # a busy backend finishes its statement before it sees its postmaster gone
_STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

# What a single machine needs; fsync stays on unless a test says otherwise. Errors are logged
# without the statement and without its values: they hold what our tenants own.
_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": str(socket_dir.PORT),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": "64MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
)


class EmbeddedPostgres:
    """
    One PostgreSQL server below ``root``, the child of this process.

    ``start`` and ``ensure_running`` must be called from a thread that lives as long as the server
    should: on Linux the kernel stops the server when that thread ends, killed or not. Not safe to
    share between threads.
    """

    def __init__(
        self,
        root: Path,
        bin_dir: Path | None = None,
        *,
        server_settings: Mapping[str, str] = _NO_SETTINGS,
        start_timeout_s: float = 60,
        death_watch: DeathWatch | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._layout = Layout(root.absolute())
        self._bin_dir = bin_dir
        self._settings = {**_SERVER_SETTINGS, **server_settings}
        self._start_timeout_s = start_timeout_s
        self._death_watch = death_watch or DeathWatch.of_this_system()
        self._say = say
        self._lock = FileLock(self._layout.supervisor_lock)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory = self._layout.run
        self.dsn = ""
        self.admin_dsn = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> str:
        """
        Start the server, making the cluster first if there is none; return the DSN of ``meterr``.

        The database is there and the login may take on the group roles; migrations are not run.
        Raises EmbeddedPostgresError with the path and the way out; nothing is left running then.
        """
        account = choose_account(self._layout.data, self._say)
        self._layout.make(account)
        if not self._lock.take():
            raise EmbeddedPostgresError(
                f"{self._layout.home} is in use by another meterr (process "
                f"{self._lock.signature()}). Stop it, or choose another data directory."
            )
        self._lock.sign()
        try:
            self._start(account)
        except BaseException:
            self.stop()
            raise
        return self.dsn

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises RuntimeError when the server is not running."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the embedded server is not running")
        if self._death_watch is DeathWatch.KERNEL:
            return self._process.pid
        return int((self._layout.data / "postmaster.pid").read_text().splitlines()[0])

    def poll(self) -> int | None:
        """Return None while the server runs, else how it ended (negative: by that signal)."""
        return 0 if self._process is None else self._process.poll()

    def ensure_running(self) -> bool:
        """Start the server again if it has died on its own; True if that was needed."""
        if self._lock.fd < 0:
            raise RuntimeError("start() comes first")
        if self.poll() is None:
            return False
        self._say(f"PostgreSQL ended by itself ({self.poll()}); starting it again.")
        self._start(choose_account(self._layout.data, self._say))
        return True

    def stop(self) -> None:
        """Stop the server: sessions are cut off, committed work is kept. Safe to repeat."""
        if self._process is not None:
            self._end(self._process)
            self._process = None
        if self._socket_directory != self._layout.run:
            with suppress(OSError):  # someone looks into it, or it is gone: it is only a leftover
                self._socket_directory.rmdir()
        self._lock.close()

    def _start(self, account: Account) -> None:
        layout = self._layout
        if not child.can_enter(layout.home, account):
            raise EmbeddedPostgresError(
                f"The user {account.name!r}, which PostgreSQL runs as, cannot reach {layout.home}: "
                "a directory above it is closed to others. Choose a data directory outside of it, "
                "such as /var/lib/meterr, or open the way with chmod o+x."
            )
        major = cluster.major_of(layout.data)
        if major is not None:
            cluster.check_access(layout.data, account)
        binaries = find_binaries(self._bin_dir, major, account)
        programs = reachable(binaries, layout, account)
        self._socket_directory = socket_dir.choose_socket_directory(layout, account, self._say)

        server_lock = FileLock(layout.server_lock)
        self._wait_for_the_last_server(server_lock)
        try:
            password = self._superuser_password(fresh=major is None)
            if major is None:
                self._say(f"Making a PostgreSQL {binaries.version} cluster in {layout.data}.")
                cluster.initialise(layout, programs / "initdb", account, password, [server_lock.fd])
            # The lock was free: no process of the last server lives, whatever these files say.
            (layout.data / "postmaster.pid").unlink(missing_ok=True)
            socket_dir.clear(self._socket_directory)
            with self._open_log() as log:
                log_start = log.tell()
                self._process = child.start(
                    [programs / "postgres", *self._postgres_arguments()],
                    account,
                    death_watch=self._death_watch,
                    output=log,
                    pass_fds=[server_lock.fd],
                )
        finally:
            server_lock.close()
        self._name_the_doors(password)
        self._wait_until_ready(self._process, log_start)
        prepare(self.admin_dsn, keep_secret(layout.secrets / LOGIN))

    def _postgres_arguments(self) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": str(self._socket_directory)}
        arguments = ["-D", str(self._layout.data)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        return arguments

    def _superuser_password(self, *, fresh: bool) -> str:
        path = self._layout.secrets / cluster.SUPERUSER
        if fresh:
            return keep_secret(path)
        try:
            return read_secret(path)
        except FileNotFoundError as error:
            raise EmbeddedPostgresError(
                f"{path} is missing: without it nobody can administer {self._layout.data}. "
                "Restore it from a backup."
            ) from error

    def _name_the_doors(self, password: str) -> None:
        door = {"host": str(self._socket_directory), "port": str(socket_dir.PORT)}
        self.admin_dsn = make_conninfo(
            "", user=cluster.SUPERUSER, password=password, dbname="postgres", **door
        )
        login_password = keep_secret(self._layout.secrets / LOGIN)
        self.dsn = make_conninfo("", user=LOGIN, password=login_password, dbname=DATABASE, **door)

    def _wait_for_the_last_server(self, server_lock: FileLock) -> None:
        """Our predecessor was killed a moment ago; its server needs one to notice."""
        if not server_lock.take(timeout_s=_ORPHAN_TIMEOUT_S):
            raise EmbeddedPostgresError(
                f"Processes of an earlier PostgreSQL still use {self._layout.data} (its postmaster "
                f"was {_postmaster_pid(self._layout.data)}). Stop them, then start again."
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_start: int) -> None:
        """Believe only a login into this very data directory; a pid or a file proves nothing."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            if process.poll() is not None:
                raise EmbeddedPostgresError(
                    f"PostgreSQL cannot run on {self._layout.data}: {self._last_words(log_start)}"
                )
            try:
                answered = reported_data_directory(self.admin_dsn, _LOGIN_TIMEOUT_S)
            except psycopg.Error as error:
                if time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                raise EmbeddedPostgresError(
                    f"PostgreSQL on {self._layout.data} took no login within "
                    f"{self._start_timeout_s:g} s; see {self._layout.log}.",
                    private=str(error),
                ) from error
            if self._layout.data.samefile(answered):
                return
            raise EmbeddedPostgresError(
                f"The server at {self._socket_directory} serves {answered}, not "
                f"{self._layout.data}. Stop it."
            )

    def _open_log(self) -> IO[bytes]:
        path = self._layout.log
        if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
            path.rename(path.with_name(path.name + ".1"))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        log = os.fdopen(fd, "ab")
        log.seek(0, os.SEEK_END)
        return log

    def _last_words(self, log_start: int) -> str:
        with self._layout.log.open("rb") as log:
            log.seek(log_start)
            lines = log.read(64 * 1024).decode(errors="replace").splitlines()
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        words = (fatal or lines or ["it said nothing"])[-1]
        return words.partition("] ")[2] or words

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        for number, patience_s in _STOP_STEPS:
            process.send_signal(number)
            try:
                process.wait(patience_s)
                break
            except subprocess.TimeoutExpired:
                continue
        if process.stdin is not None:
            process.stdin.close()


def _postmaster_pid(data: Path) -> str:
    try:
        return (data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
    except (OSError, IndexError):
        return "unknown"
