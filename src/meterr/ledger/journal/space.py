"""Segment files with their room already taken from the disk, so that a promise can be kept."""

import errno
import fcntl
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from meterr.ledger.journal.folder import bytes_under, segment_path, space_locked, sync_directory

_NO_FALLOCATE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV})
_ZEROS = bytes(1 << 20)


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment file of ``size`` allocated bytes; NUL where nothing was written."""

    path: Path
    descriptor: int
    number: int
    size: int


def make_segment(root: Path, folder: Path, number: int, size: int, total_bytes_max: int) -> Segment:
    """
    Make an empty segment whose every byte is allocated, its name and size synced.

    Raises:
        OSError: The disk has no room (ENOSPC, EDQUOT, EFBIG), fails (EIO), or the files under
            ``root`` would pass ``total_bytes_max`` (EDQUOT). Nothing is left behind.
    """
    with space_locked(root):
        if bytes_under(root) + size > total_bytes_max:
            raise OSError(errno.EDQUOT, f"the journal may hold {total_bytes_max} bytes", str(root))
        path = segment_path(folder, number)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _allocate(descriptor, size)
            os.fsync(descriptor)
            sync_directory(folder)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
    return Segment(path, descriptor, number, size)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write ``data`` at ``offset``, however many calls the kernel makes of it."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        offset += written


def sync_data(descriptor: int) -> None:
    """Return when all that was written to the file is on the disk itself, not in its cache."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # macOS
        _fill(descriptor, size)
    except OSError as error:
        if error.errno not in _NO_FALLOCATE:
            raise
        _fill(descriptor, size)


def _fill(descriptor: int, size: int) -> None:
    for offset in range(0, size, len(_ZEROS)):
        write_all(descriptor, _ZEROS[: size - offset], offset)
