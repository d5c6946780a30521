"""What the bytes of a segment say: whole records, damaged places, where writing stopped. Pure."""

from dataclasses import dataclass, field

from meterr.ledger.journal.record import FORMAT_VERSION, Line, SegmentBegan, Unreadable, parse

_NUL = b"\0"


@dataclass(frozen=True, slots=True)
class Damage:
    """``size`` bytes of ``file`` from ``offset`` on that could not be read, and why."""

    file: str
    offset: int
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found; reading goes on at ``offset``, where ``left`` bytes cannot be judged yet."""

    records: list[Line]
    damages: list[Damage]
    offset: int
    left: int = 0


@dataclass(slots=True)
class _Findings:
    file: str
    records: list[Line] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)

    def damaged(self, offset: int, size: int, reason: str) -> None:
        self.damages.append(Damage(self.file, offset, size, reason))

    def line(self, line: bytes, offset: int, *, whole: bool = True) -> None:
        """Take one line; ``whole`` is False for the last one when its newline is missing."""
        try:
            record = parse(line)
        except Unreadable as error:
            self.damaged(offset, len(line) + whole, str(error) if whole else "torn: no end of line")
            return
        if not isinstance(record, SegmentBegan):
            self.records.append(record)


def scan_live(window: bytes, offset: int, file: str) -> Scan:
    """
    Read the part of a segment that its writer is done with; ``window`` starts at a line.

    A line with a NUL in it, or without its end, may still be on its way: reading stops before it.
    When that is damage and not haste, ``scan_sealed`` will say so once the segment has a successor.
    """
    found = _Findings(file)
    written = len(window.rstrip(_NUL))
    if offset == 0 and _is_foreign(found, window, written):
        return Scan([], [], 0)  # said once, by scan_sealed
    first_nul = window.find(_NUL, 0, written)
    stop = written if first_nul < 0 else first_nul
    end = window.rfind(b"\n", 0, stop) + 1
    _take_lines(found, window[:end], offset)
    return Scan(found.records, found.damages, offset + end, left=written - end)


def scan_sealed(rest: bytes, offset: int, file: str) -> Scan:
    """
    Read all that is left of a segment that nobody writes to; ``rest`` reaches the end of the file.

    What follows a damaged place is read from the next newline on. A last line without its newline
    counts when its checksum is right. NULs before the last written byte are a hole (a page that
    never reached the disk).
    """
    found = _Findings(file)
    written = rest.rstrip(_NUL)
    if offset == 0 and _is_foreign(found, written, len(written)):
        return Scan([], found.damages, len(rest))
    end = written.rfind(b"\n") + 1
    _take_lines(found, written[:end], offset)
    tail = written[end:]
    if tail:
        _take_tail(found, tail, offset + end)
    return Scan(found.records, found.damages, offset + len(rest))


def _is_foreign(found: _Findings, data: bytes, written: int) -> bool:
    """Tell whether a later meterr wrote this: nothing of it is read, all of it is kept."""
    try:
        header = parse(data[: max(data.find(b"\n"), 0)])
    except Unreadable:
        return False
    if not isinstance(header, SegmentBegan) or header.version == FORMAT_VERSION:
        return False
    found.damaged(0, written, f"written in format {header.version}, not {FORMAT_VERSION}")
    return True


def _take_lines(found: _Findings, lines: bytes, at: int) -> None:
    for line in lines.split(b"\n")[:-1]:
        if line.startswith(_NUL):
            at, line = _skip_hole(found, line, at)
        found.line(line, at)
        at += len(line) + 1


def _take_tail(found: _Findings, tail: bytes, at: int) -> None:
    if tail.startswith(_NUL):
        at, tail = _skip_hole(found, tail, at)
    found.line(tail, at, whole=False)


def _skip_hole(found: _Findings, line: bytes, at: int) -> tuple[int, bytes]:
    rest = line.lstrip(_NUL)
    size = len(line) - len(rest)
    found.damaged(at, size, "hole: bytes that were never written")
    return at + size, rest
