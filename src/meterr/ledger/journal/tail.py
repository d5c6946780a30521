"""Follow the journal of one process, living or dead, from the drain's side."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from meterr.ledger.journal import folder
from meterr.ledger.journal.estimate import Pricing, interrupted
from meterr.ledger.journal.record import Line, frame
from meterr.ledger.journal.segment import Damage, Scan, scan_live, scan_sealed
from meterr.ledger.model import Opened, Price, PriceDefined, Progress, Settled

WINDOW_BYTES = 1 << 20  # read at a time: about 1,300 calls, one transaction


@dataclass(slots=True)
class Portion:
    """What was read and waits to be committed; ``finished`` segments may go once it is."""

    settled: list[Settled] = field(default_factory=list)
    prices: dict[str, Price] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    finished: list[Path] = field(default_factory=list)
    interrupted: int = 0  # of ``settled``: closed here, by estimate
    bytes: int = 0
    more: bool = False  # reading stopped at the window's end, not at the end of what is written
    last: bool = False  # the process is dead and this is the rest of it


class Tail:
    """
    One process folder: what of it has been read, and which of its calls are open.

    Holds no file open. ``lock`` is the owner's lock once the process is dead and we adopted it.
    """

    def __init__(self, path: Path, pricing_of: Callable[[Price], Pricing | None]) -> None:
        self.path = path
        self.lock: int | None = None
        self.open: dict[str, Opened] = {}
        self.is_whole = True  # all that was read could be
        self.left = 0  # bytes seen that are on their way, or damaged in a segment still written
        self._progress: dict[str, Progress] = {}
        self._prices: dict[str, Price] = {}
        self._pricing_of = pricing_of
        self._at = ""  # name of the segment being read; names sort as they were written
        self._offset = 0
        self._done: list[Path] = []  # committed; may go once the open calls are carried over
        self._spoiled: set[Path] = set()
        self._carried_read = False

    def read(self) -> Portion:
        """
        Read on, one window at most.

        What is returned is not read again. It must be committed and released, whenever that is.
        """
        if self.lock is None:
            self.lock = folder.adopt(self.path)  # before reading: from here on nobody writes
        dead = self.lock is not None
        portion = Portion()
        self._read_carried(portion)
        ahead = [path for path in folder.segments(self.path) if path.name >= self._at]
        if ahead:
            sealed = dead or _any_begun(ahead[1:])
            portion.more = self._read_segment(portion, ahead[0], sealed=sealed)
        elif dead:
            self._close_open_calls(portion)
        self.is_whole = self.is_whole and not portion.damages
        return portion

    def release(self, portion: Portion) -> None:
        """
        Give back the disk of a committed portion.

        Calls that are still open are first carried over into a file of their own, so that a long
        stream holds on to one line and not to every segment since.
        """
        if portion.last:
            self.open.clear()
        self._done += portion.finished
        portion.finished = []  # ours now, should this be asked again
        if self._done:
            self._give_back()
        if portion.last:
            self._remove_folder()

    def bytes_ahead(self) -> int:
        """Return the size of the begun segments after the one being read, 0 when they fail."""
        try:
            later = [path for path in folder.segments(self.path) if path.name > self._at]
            return sum(path.stat().st_size for path in later if _any_begun([path]))
        except OSError:  # a figure for a gauge; reading them says what is wrong
            return 0

    def _give_back(self) -> None:
        try:
            self._carry()
        except OSError:
            # A full disk: nothing may go yet. New calls are refused meanwhile, so the open ones
            # end, and then there is nothing to carry.
            return
        while self._done:
            path = self._done[0]
            if path in self._spoiled:
                set_aside(path, self.path.parent / folder.DAMAGED)
            else:
                path.unlink(missing_ok=True)
            del self._done[0]

    def _read_segment(self, portion: Portion, path: Path, *, sealed: bool) -> bool:
        """Add a window of one segment to ``portion``; return whether there is more to read."""
        if path.name != self._at:
            self._at, self._offset = path.name, 0
        scan, ends = self._scan(path, sealed=sealed)
        size = scan.offset - self._offset
        portion.bytes += size
        self._offset = scan.offset
        self.left = scan.left
        self._take(portion, scan.records)
        if scan.damages:
            portion.damages += scan.damages
            self._spoiled.add(path)
        if ends:
            portion.finished.append(path)
            self._at, self._offset = path.name + "~", 0  # sorts behind it and before the next
        return sealed or size > WINDOW_BYTES // 2

    def _scan(self, path: Path, *, sealed: bool) -> tuple[Scan, bool]:
        """Return what the next window holds, and whether the segment ends with it."""
        with path.open("rb", buffering=0) as file:
            descriptor = file.fileno()
            if not sealed and os.pread(descriptor, 1, self._offset) in (b"", b"\0"):
                return Scan([], [], self._offset), False
            window = os.pread(descriptor, WINDOW_BYTES, self._offset)
            scan = scan_live(window, self._offset, str(path))
            if not sealed or (len(window) == WINDOW_BYTES and scan.offset > self._offset):
                return scan, False
            rest = _read_all(descriptor, self._offset)
            return scan_sealed(rest, self._offset, str(path)), True

    def _take(self, portion: Portion, records: Iterable[Line]) -> None:
        for record in records:
            if isinstance(record, Settled):
                self.open.pop(record.id, None)
                self._progress.pop(record.id, None)
                portion.settled.append(record)
            elif isinstance(record, Opened):
                self.open[record.id] = record
            elif isinstance(record, Progress):
                if record.id in self.open:
                    self._progress[record.id] = record
            elif isinstance(record, PriceDefined):
                self._prices[record.price.id] = record.price
                portion.prices[record.price.id] = record.price

    def _close_open_calls(self, portion: Portion) -> None:
        for call_id in sorted(self.open):
            opened = self.open[call_id]
            price = self._prices.get(opened.price)
            pricing = None if price is None else self._pricing_of(price)
            portion.settled.append(interrupted(opened, self._progress.get(call_id), pricing))
        portion.interrupted = len(self.open)
        portion.last = True

    def _read_carried(self, portion: Portion) -> None:
        """Take up what an earlier drain carried over, once."""
        if self._carried_read:
            return
        path = self.path / folder.CARRIED
        if path.exists():
            scan = scan_sealed(path.read_bytes(), 0, str(path))
            self._take(portion, scan.records)
            portion.damages += scan.damages
        self._carried_read = True

    def _carry(self) -> None:
        path = self.path / folder.CARRIED
        if not self.open:
            path.unlink(missing_ok=True)
            return
        names = {opened.price for opened in self.open.values()}
        kept: list[Line] = [PriceDefined(self._prices[n]) for n in names if n in self._prices]
        kept += self.open.values()
        kept += self._progress.values()
        replace_durably(path, b"".join(map(frame, kept)))

    def _remove_folder(self) -> None:
        """Clear a dead process away, its lock last; a stranger's file in it is kept aside."""
        for name in (folder.CARRIED, folder.CARRIED + ".new", folder.OWNER_LOCK):
            (self.path / name).unlink(missing_ok=True)
        if not folder.clear_if_empty(self.path):
            place = self.path.parent / folder.DAMAGED
            place.mkdir(mode=0o700, exist_ok=True)
            self.path.rename(place / self.path.name)
        self.close()

    def close(self) -> None:
        """Let go of an adopted folder; another drain may take it up from the files."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def set_aside(path: Path, place: Path) -> None:
    """Move a damaged segment to ``place``, under a name that says whose it was."""
    place.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):  # moved already, when an earlier attempt failed at the sync
        path.rename(place / f"{path.parent.name}-{path.name}")
    folder.sync_directory(place)


def replace_durably(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` so that a reader finds the old or the new, never a part."""
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    folder.sync_directory(path.parent)


def _any_begun(paths: Iterable[Path]) -> bool:
    """Return whether any segment has its first byte: prepared ones are all NUL."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            if file.read(1) not in (b"", b"\0"):
                return True
    return False


def _read_all(descriptor: int, offset: int) -> bytes:
    parts: list[bytes] = []
    while part := os.pread(descriptor, WINDOW_BYTES, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
