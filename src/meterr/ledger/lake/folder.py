"""The export's folder: one file a day in Hive layout, whole or not there."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from meterr.core.errors import OperatorError
from meterr.ledger.journal.folder import sync_directory

FILE = "part-0.parquet"
# Readers of a lake pass over names that begin with a dot, and nothing in it ends like a file of it.
_UNFINISHED = ".unfinished"
_LOCK = "lock"
_DRAFT = ".draft"
_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")


def file_of(root: Path, day: date) -> Path:
    """Return the place of a day's file."""
    return root / f"day={day.isoformat()}" / FILE


def exported_days(root: Path) -> list[date]:
    """List the days that have a file, in order."""
    if not root.is_dir():
        return []
    days = (_day_of(path.name) for path in root.iterdir())
    return sorted(day for day in days if day and file_of(root, day).is_file())


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """
    Be the only export into ``root`` and clear away what a killed one left.

    The kernel frees the lock however the process ends. Raises OperatorError while another runs.
    """
    place = root / _UNFINISHED
    place.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(f"another export into {root} is running; wait for it") from None
        for left in place.glob(f"*{_DRAFT}"):
            left.unlink()
        yield
    finally:
        os.close(descriptor)


@contextmanager
def draft_of(root: Path, day: date) -> Iterator[Path]:
    """
    Yield where to write a day's file; a block that ends well puts it in its place at once.

    Nobody ever sees half of a file there: neither readers, nor after a kill or a power cut. A block
    that raises leaves what was there before.
    """
    draft = root / _UNFINISHED / f"{day.isoformat()}{_DRAFT}"
    try:
        yield draft
        _sync(draft)
        place = file_of(root, day)
        place.parent.mkdir(exist_ok=True)
        draft.replace(place)
        sync_directory(place.parent)
        sync_directory(root)
    finally:
        draft.unlink(missing_ok=True)


def _day_of(name: str) -> date | None:
    match = _DAY.fullmatch(name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
