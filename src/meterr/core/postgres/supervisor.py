"""Run PostgreSQL as our own child: private, mortal, restarted when it dies, never shared."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import ClassVar, Self

import psycopg
from psycopg.conninfo import make_conninfo

from meterr.core.postgres import child, cluster, orphan, socket_dir
from meterr.core.postgres.account import Account, choose_account
from meterr.core.postgres.binaries import find_binaries
from meterr.core.postgres.child import DeathWatch
from meterr.core.postgres.errors import EmbeddedPostgresError
from meterr.core.postgres.layout import Layout, keep_secret, read_secret
from meterr.core.postgres.lock import FileLock
from meterr.core.postgres.prepare import DATABASE, LOGIN, prepare, reported_data_directory
from meterr.core.postgres.relocate import reachable
from meterr.core.postgres.server_log import last_words, open_log

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_LOGIN_TIMEOUT_S = 2  # libpq's smallest
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

    LOGIN: ClassVar[str] = LOGIN
    """The login that meterr itself uses."""

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
            self._start_or_say_why(account)
        # Whatever ended the start, Ctrl-C included, leaves no server behind.
        except BaseException:
            self.stop()
            raise
        return self.dsn

    @property
    def database_admin_dsn(self) -> str:
        """The superuser's way into the database ``meterr``."""
        return make_conninfo(self.admin_dsn, dbname=DATABASE)

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises RuntimeError when the server is not running."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the embedded server is not running")
        if self._death_watch is DeathWatch.KERNEL:
            return self._process.pid
        return int(orphan.postmaster_pid(self._layout.data))

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
        _close_pipe(self._process)
        self._start_or_say_why(choose_account(self._layout.data, self._say))
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

    def _start_or_say_why(self, account: Account) -> None:
        try:
            self._start(account)
        except (OSError, subprocess.TimeoutExpired, psycopg.Error) as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL cannot be started below {self._layout.home}: {error}"
            ) from error

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
        password = self._superuser_password(fresh=major is None)
        self._name_the_doors(password)
        orphan.wait_until_gone(server_lock, layout.data, self.admin_dsn if major else None)
        try:
            if major is None:
                self._say(f"Making a PostgreSQL {binaries.version} cluster in {layout.data}.")
                cluster.initialise(layout, programs / "initdb", account, password, [server_lock.fd])
            # The lock was free: no process of the last server lives, whatever these files say.
            (layout.data / "postmaster.pid").unlink(missing_ok=True)
            socket_dir.clear(self._socket_directory)
            with open_log(layout.log) as log:
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

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_start: int) -> None:
        """Believe only a login into this very data directory; a pid or a file proves nothing."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            if process.poll() is not None:
                raise EmbeddedPostgresError(
                    f"PostgreSQL cannot run on {self._layout.data}: "
                    f"{last_words(self._layout.log, log_start)} (see {self._layout.log}; if the "
                    "data is damaged, restore it from a backup)."
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

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        for number, patience_s in _STOP_STEPS:
            process.send_signal(number)
            try:
                process.wait(patience_s)
                break
            except subprocess.TimeoutExpired:
                continue
        _close_pipe(process)


def _close_pipe(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.stdin is not None:
        process.stdin.close()
