"""The segments a journal writes to: where the next byte goes, and how much room is certain."""

import os
from collections import deque

from meterr.core.clock import Clock
from meterr.ledger.journal.keeper import Keeper
from meterr.ledger.journal.limits import LINE_BYTES_MAX, Limits
from meterr.ledger.journal.record import FORMAT_VERSION, SegmentBegan, frame
from meterr.ledger.journal.space import Segment, write_all


class Pages:
    """
    The active segment, the allocated ones after it, and the account of their room.

    ``room`` counts the bytes that these can take for certain, less what callers have set aside by
    lowering it. A segment's last ``LINE_BYTES_MAX`` bytes are never counted, since a line that
    does not fit leaves them empty. So while ``room`` is not negative, what was set aside has a
    place.
    """

    def __init__(self, process: str, keeper: Keeper, clock: Clock, limits: Limits) -> None:
        self.room = 0
        self.rotations = 0
        self._process = process
        self._keeper = keeper
        self._clock = clock
        self._limits = limits
        self._spares: deque[Segment] = deque()
        self._segment = keeper.active
        self._at = self._begin(keeper.active)
        self.room += self._usable(keeper.active)

    def write(self, pending: list[bytes]) -> None:
        """
        Hand all lines of ``pending`` to the kernel; each leaves the list once it is written.

        Raises:
            OSError: The kernel refuses; what is left in ``pending`` is not written.
        """
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        end = self._at + len(data)
        if end > self._segment.size:
            self._write_across(pending)
            return
        written = os.pwrite(self._segment.descriptor, data, self._at)
        if written != len(data):
            write_all(self._segment.descriptor, data[written:], self._at + written)
        pending.clear()
        self._wrote(end)

    def extend(self, need: int) -> None:
        """Allocate segments until there is ``need`` of room; raises OSError when there is none."""
        while need > self.room:
            spare = self._keeper.take()
            self._spares.append(spare)
            self.room += self._usable(spare)

    def leave_aged(self, need: int) -> None:
        """Go on in a new segment when this one is old, if that leaves ``need`` of room."""
        if self._clock.monotonic() - self._keeper.began < self._limits.segment_age_s:
            return
        if not self._spares:
            spare = self._keeper.take_prepared()
            if spare is None:
                return
            self._spares.append(spare)
            self.room += self._usable(spare)
        if self.room - self._lost_by_leaving() >= need:
            self._rotate()

    def close(self) -> None:
        """Sync and close; allocated segments that were never begun are removed."""
        spares = [*self._spares, *self._keeper.stop()]
        os.close(self._segment.descriptor)
        for spare in spares:
            os.close(spare.descriptor)
            spare.path.unlink(missing_ok=True)

    def _write_across(self, pending: list[bytes]) -> None:
        """Write what still fits into this segment, and the rest into the next one."""
        while pending:
            end, count = self._at, 0
            while count < len(pending) and end + len(pending[count]) <= self._segment.size:
                end += len(pending[count])
                count += 1
            if count:
                write_all(self._segment.descriptor, b"".join(pending[:count]), self._at)
                del pending[:count]
                self._wrote(end)
            if pending:
                self._rotate()

    def _wrote(self, end: int) -> None:
        keeper = self._keeper
        keeper.written += end - self._at
        self._at = end
        if keeper.asleep:
            keeper.rouse()

    def _rotate(self) -> None:
        # There is a spare: `room` was not negative, so what is being written has a place.
        segment = self._spares[0]
        at = self._begin(segment)
        self._spares.popleft()
        self.room -= self._lost_by_leaving()
        self._keeper.retire(self._segment, segment)
        self._segment, self._at = segment, at
        self._keeper.written += at
        self.rotations += 1

    def _lost_by_leaving(self) -> int:
        """Return the counted room left behind; negative when less than the margin is left."""
        return self._segment.size - self._at - LINE_BYTES_MAX

    def _begin(self, segment: Segment) -> int:
        header = self._header(segment)
        write_all(segment.descriptor, header, 0)
        return len(header)

    def _usable(self, segment: Segment) -> int:
        return segment.size - len(self._header(segment)) - LINE_BYTES_MAX

    def _header(self, segment: Segment) -> bytes:
        return frame(SegmentBegan(FORMAT_VERSION, self._process, segment.number))
