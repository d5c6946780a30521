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
    """Return in one line why the server that began to write at byte ``start`` has ended."""
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read(_WORDS_BYTES_MAX).decode(errors="replace").splitlines()
    for level in ("PANIC:", "FATAL:"):
        said = [line.partition(level)[2].strip() for line in lines if level in line]
        # Refusals of our own early logins are no reason.
        said = [words for words in said if not words.startswith("the database system is ")]
        if said:
            return said[0]
    # Before its log works it speaks in plain lines, several for one reason.
    return " ".join(line.strip() for line in lines[-3:]) or "it said nothing"
