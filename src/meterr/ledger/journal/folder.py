"""The folders under a journal root: one per process, owned through a lock that dies with it."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meterr.core.ids import IdFactory

OWNER_LOCK = "owner.lock"
SPACE_LOCK = "space.lock"
DRAIN_LOCK = "drain.lock"
DAMAGED = "damaged"
REJECTED = "rejected"
SUFFIX = ".journal"
CARRIED = "carried.open"  # written by the drain: calls still open whose segments are gone
_SEGMENT = re.compile(r"[0-9]{8}\.journal")
_PROCESS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLAIM_ATTEMPTS = 5  # each needs a drain to take a folder within microseconds of its making


def claim(root: Path, ids: IdFactory) -> tuple[Path, int]:
    """
    Make a new folder for this process and return it with the descriptor that holds its lock.

    The kernel frees the lock when the process ends, however it ends; nothing else may.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(_CLAIM_ATTEMPTS):
        path = root / ids.new()
        path.mkdir(mode=0o700)
        lock = _try_lock(path / OWNER_LOCK, create=True)
        if lock is not None:
            sync_directory(root)
            return path, lock
    raise OSError(f"no folder could be claimed under {root}")


def abandon(path: Path, lock: int) -> None:
    """Give a claimed folder up that holds nothing yet."""
    (path / OWNER_LOCK).unlink(missing_ok=True)
    clear_if_empty(path)
    os.close(lock)


def adopt(path: Path) -> int | None:
    """
    Return the lock of a folder whose process is dead, None while it lives or is being born.

    A process writes nothing before it holds its lock. So files without one come from a dead
    process, by way of a backup that left the lock out; the lock is made again.
    """
    lock = path / OWNER_LOCK
    return _try_lock(lock, create=not lock.exists() and _holds_anything(path))


def clear_if_empty(path: Path) -> bool:
    """
    Remove a folder with nothing in it, not even a lock, and say whether that was so.

    It is what a drain left that was killed while clearing up; or its process is just being born,
    which then claims another name.
    """
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def lock_drain(root: Path) -> int | None:
    """Return the lock that makes a drain of ``root`` the only one; None while another holds it."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _try_lock(root / DRAIN_LOCK, create=True)


def process_folders(root: Path) -> list[Path]:
    """List the folders of all processes, living and dead, oldest first."""
    with os.scandir(root) as entries:
        return sorted(Path(e.path) for e in entries if _PROCESS.fullmatch(e.name) and e.is_dir())


def segments(path: Path) -> list[Path]:
    """List the segments of one folder in the order they were written."""
    with os.scandir(path) as entries:
        return sorted(Path(e.path) for e in entries if _SEGMENT.fullmatch(e.name))


def is_cleared_away(root: Path, process: str) -> bool:
    """Tell whether ``process`` is the name of one whose journal was read to its end."""
    return _PROCESS.fullmatch(process) is not None and not (root / process).exists()


def set_aside(root: Path, process: str) -> list[Path]:
    """List what of ``process`` could not be read or was refused, now or before."""
    return [
        path
        for place in (root / DAMAGED, root / REJECTED)
        if place.exists()
        for path in place.iterdir()
        if path.name.startswith(process)
    ]


def segment_path(folder: Path, number: int) -> Path:
    """Return the place of segment ``number``, counted from 1."""
    return folder / f"{number:08d}{SUFFIX}"


@contextmanager
def space_locked(root: Path) -> Iterator[None]:
    """Hold the lock under which files grow, so that processes cannot pass the limit together."""
    descriptor = os.open(root / SPACE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def bytes_under(root: Path) -> int:
    """Return the size of all files under ``root``; one that vanishes meanwhile counts nothing."""
    total = 0
    for directory, _, names in os.walk(root):
        for name in names:
            try:
                total += os.stat(os.path.join(directory, name)).st_size  # noqa: PTH116, PTH118 (a tight loop over thousands)
            except FileNotFoundError:
                continue
    return total


def sync_directory(path: Path) -> None:
    """Make the names in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _holds_anything(path: Path) -> bool:
    with os.scandir(path) as entries:
        return any(entries)


def _try_lock(path: Path, *, create: bool) -> int | None:
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_nlink == 0:  # its folder was cleared away between our two steps
        os.close(descriptor)
        return None
    return descriptor
