"""Where an embedded server keeps its things, and who may see them."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from meterr.core.postgres.account import Account
from meterr.core.postgres.errors import EmbeddedPostgresError

PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below ``<root>/postgres``."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "postgres"

    @property
    def data(self) -> Path:
        """The cluster; the service account's, 0700."""
        return self.home / "data"

    @property
    def run(self) -> Path:
        """The socket; the service account's, 0700."""
        return self.home / "run"

    @property
    def secrets(self) -> Path:
        """Passwords, 0400 each; the supervisor's, so that the server cannot read them back."""
        return self.home / "secrets"

    @property
    def staging(self) -> Path:
        """A cluster in the making; whatever is here at start is the rest of a killed initdb."""
        return self.home / "staging"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def supervisor_lock(self) -> Path:
        return self.home / "supervisor.lock"

    @property
    def server_lock(self) -> Path:
        return self.home / "server.lock"

    def make(self, account: Account) -> None:
        """Create what is missing. Changes no mode and no owner of anything that exists."""
        # Others may pass through to a path they know, never list; only needed to change users.
        mode = 0o711 if account.switches else 0o700
        if not self.root.exists():
            _make_parents(self.root.parent)
            _make(self.root, mode)
        _make(self.home, mode)
        if (owner := self.home.stat().st_uid) != os.geteuid():
            raise EmbeddedPostgresError(
                f"{self.home} belongs to user id {owner} and this process runs as "
                f"{os.geteuid()}. Start meterr as its owner, or choose another data directory."
            )
        _make(self.secrets, 0o700)
        _make(self.run, 0o700, account)


def _make_parents(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_create(path, error) from error


def _make(path: Path, mode: int, account: Account | None = None) -> None:
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        return
    except OSError as error:
        raise _cannot_create(path, error) from error
    path.chmod(mode)  # the umask may have taken bits away
    if account is not None:
        account.own(path)


def _cannot_create(path: Path, error: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"Cannot create {path}: {error.strerror}. Choose a data directory this user can write."
    )


def keep_secret(path: Path) -> str:
    """Return the password stored at ``path``; make one, readable by this user alone, if none is."""
    try:
        return read_secret(path)
    except FileNotFoundError:
        pass
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, password, 0o400)
    fresh.rename(path)
    sync_directory(path.parent)
    return password


def read_secret(path: Path) -> str:
    """Return the password stored at ``path``. Raises FileNotFoundError when there is none."""
    with path.open(encoding="ascii") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise EmbeddedPostgresError(f"{path} is readable by others: chmod 0400 it.")
        password = file.read().strip()
    if not password:
        raise EmbeddedPostgresError(f"{path} is empty: restore it from a backup.")
    return password


def write_private(path: Path, text: str, mode: int, account: Account | None = None) -> None:
    """Write a new file, on the disk before this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if account is not None and account.switches:
            os.fchown(file.fileno(), account.uid, account.gid)


def sync_directory(path: Path) -> None:
    """Make renames inside ``path`` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
