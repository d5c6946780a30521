"""What PostgreSQL writes to standard error: beside the data, bounded, read for its last words."""

import os
from pathlib import Path
from typing import IO

BYTES_MAX = 8 * 1024 * 1024  # then the file is put aside once; two files are all there ever is
_WORDS_BYTES_MAX = 64 * 1024


def open_log(path: Path) -> IO[bytes]:
    """Open the log for appending, at its end, readable by us alone."""
    if path.exists() and path.stat().st_size > BYTES_MAX:
        path.rename(path.with_name(path.name + ".1"))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    log = os.fdopen(fd, "ab")
    log.seek(0, os.SEEK_END)
    return log


def last_words(path: Path, start: int) -> str:
    """Return the last fatal message written after byte ``start``, else the last line."""
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read(_WORDS_BYTES_MAX).decode(errors="replace").splitlines()
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    words = (fatal or lines or ["it said nothing"])[-1]
    return words.partition("] ")[2] or words
