"""Locks that the kernel drops when the last holder dies: truer than any pid in a file."""

import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """
    An exclusive flock. Belongs to the open file, so a child that inherits ``fd`` holds it as well.

    That is how ``server.lock`` works: it is passed through the launcher to PostgreSQL and on to all
    its processes, our own copy is closed, and so it is free exactly when none of them lives.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd = -1

    def take(self, timeout_s: float = 0) -> bool:
        """Take the lock within ``timeout_s``; False when somebody else keeps it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + timeout_s
        while not _try(fd):
            if time.monotonic() >= deadline:
                os.close(fd)
                return False
            time.sleep(0.01)
        self.fd = fd
        return True

    def sign(self) -> None:
        """Write our pid into the file, for people; nothing decides by it."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def signature(self) -> str:
        """Return what the holder has written, ``"?"`` if nothing."""
        return self._path.read_text(encoding="ascii", errors="replace").strip()[:20] or "?"

    def close(self) -> None:
        """Close our copy; children that inherited it keep the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
