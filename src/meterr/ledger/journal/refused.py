"""What PostgreSQL refused: kept line by line, and offered to it again at the next start."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from meterr.ledger.journal import folder
from meterr.ledger.journal.insertion import Inserted, Insertion
from meterr.ledger.journal.record import Rejected, Unreadable, frame, parse
from meterr.ledger.model import PriceDefined, Settled

_LINES_AT_ONCE = 500


def keep(root: Path, process: str, record: Settled | PriceDefined, reason: str) -> Path:
    """Write ``record`` and the ``reason`` behind what ``process`` has there; return the file."""
    place = root / folder.REJECTED
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / (process + folder.SUFFIX)
    with path.open("ab") as lines:
        lines.write(frame(Rejected(reason, record)))
        lines.flush()
        os.fsync(lines.fileno())
    folder.sync_directory(place)
    return path


async def insert_again(root: Path, insertion: Insertion) -> Inserted:
    """
    Offer everything in ``rejected/`` once more, and take out what went in.

    What was cured since (by a newer meterr, or in the database) needs nobody's hand. What is
    refused again stays as it is, line by line; so may a file that the disk does not let go of. A
    process that is gone, and of which now all is in, is closed: nobody else would.

    Raises:
        DatabaseUnavailable, psycopg.Error: As ``Insertion.insert``; no line is lost.
    """
    done = Inserted()
    for path in sorted((root / folder.REJECTED).glob(f"*{folder.SUFFIX}")):
        try:
            if await _insert_file(path, insertion, done):
                await _close_if_gone(root, path, insertion)  # before the file goes, which says so
                path.unlink()
                folder.sync_directory(path.parent)
        except OSError:  # the drain must run on, to make room; the next start tries again
            continue
    return done


async def _insert_file(path: Path, insertion: Insertion, done: Inserted) -> bool:
    """Leave in a file what stays, and tell whether that is nothing."""
    read = stayed = 0
    rest = path.with_name(path.name + ".new")
    try:
        with path.open("rb") as lines, rest.open("wb") as kept:
            while batch := list(islice(lines, _LINES_AT_ONCE)):
                refused = await _insert_lines(batch, insertion, done)
                kept.writelines(refused)
                read += len(batch)
                stayed += len(refused)
            kept.flush()
            os.fsync(kept.fileno())
        if 0 < stayed < read:
            rest.replace(path)
            folder.sync_directory(path.parent)
    finally:
        rest.unlink(missing_ok=True)
    return not stayed


async def _close_if_gone(root: Path, path: Path, insertion: Insertion) -> None:
    process = path.name.removesuffix(folder.SUFFIX)
    if folder.is_cleared_away(root, process) and folder.set_aside(root, process) == [path]:
        await insertion.close(process)


async def _insert_lines(
    lines: Sequence[bytes], insertion: Insertion, done: Inserted
) -> list[bytes]:
    """Insert what ``lines`` hold; return those that must stay, unreadable ones among them."""
    records = [_record_of(line) for line in lines]
    entries = [record for record in records if isinstance(record, Settled)]
    prices = [record.price for record in records if isinstance(record, PriceDefined)]
    now = await insertion.insert(entries, prices)
    done.count(now.new, now.new + now.duplicates)
    done.cleaned += now.cleaned
    refused = {_name(record) for record, _ in now.refused}
    return [
        line
        for line, record in zip(lines, records, strict=True)
        if record is None or _name(record) in refused
    ]


def _record_of(line: bytes) -> Settled | PriceDefined | None:
    try:
        found = parse(line.removesuffix(b"\n"))
    except Unreadable:
        return None
    return found.record if isinstance(found, Rejected) else None


def _name(record: Settled | PriceDefined) -> tuple[str, str]:
    if isinstance(record, Settled):
        return record.tenant, record.id
    return "", record.price.id
