"""What lies under a journal root, seen from outside: for a person who asks whether all is well."""

import os
from dataclasses import dataclass
from pathlib import Path

from meterr.ledger.journal import folder

_WINDOW_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that waits for a person, or a folder of them."""

    name: str  # below the root
    lines: int  # records, in a rejected file
    bytes: int


@dataclass(frozen=True, slots=True)
class Leftovers:
    """
    What is set aside, by name, and how many bytes of journal may not be in the ledger yet.

    ``bytes_written_max`` is an upper bound: only the drain knows how far it has read.
    """

    rejected: tuple[Leftover, ...] = ()
    damaged: tuple[Leftover, ...] = ()
    bytes_written_max: int = 0


def look(root: Path) -> Leftovers:
    """
    Look at a journal root, beside whatever runs on it; a root that does not exist has nothing.

    Raises:
        OSError: Something there cannot be read.
    """
    if not root.exists():
        return Leftovers()
    segments = [path for each in folder.process_folders(root) for path in _segments(each)]
    return Leftovers(
        rejected=_set_aside(root, folder.REJECTED),
        damaged=_set_aside(root, folder.DAMAGED),
        bytes_written_max=sum(map(_bytes_written, segments)),
    )


def _segments(path: Path) -> list[Path]:
    try:
        return folder.segments(path)
    except FileNotFoundError:  # drained and gone since it was listed
        return []


def _set_aside(root: Path, name: str) -> tuple[Leftover, ...]:
    place = root / name
    if not place.exists():
        return ()
    return tuple(
        Leftover(f"{name}/{path.name}", _lines(path) if name == folder.REJECTED else 0, _size(path))
        for path in sorted(place.iterdir())
    )


def _lines(path: Path) -> int:
    if path.is_dir():
        return 0
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(_WINDOW_BYTES), b""))


def _size(path: Path) -> int:
    return folder.bytes_under(path) if path.is_dir() else path.stat().st_size


def _bytes_written(path: Path) -> int:
    """Return where the unwritten rest of a segment begins, found from its end."""
    try:
        with path.open("rb", buffering=0) as file:
            end = os.fstat(file.fileno()).st_size
            while end > 0:
                start = max(end - _WINDOW_BYTES, 0)
                written = os.pread(file.fileno(), end - start, start).rstrip(b"\0")
                if written:
                    return start + len(written)
                end = start
    except FileNotFoundError:  # drained and gone since it was listed
        return 0
    return 0
