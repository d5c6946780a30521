"""The segments a journal writes to: where the next byte goes, and how much room is certain."""

import os
from collections import deque
from typing import NamedTuple

from meterr.core.clock import Clock
from meterr.ledger.journal.keeper import Keeper
from meterr.ledger.journal.limits import PRICE_BYTES_MAX, UNIT_BYTES_MAX, Limits
from meterr.ledger.journal.record import FORMAT_VERSION, SegmentBegan, frame
from meterr.ledger.journal.space import Segment, write_all
from meterr.ledger.model import Price, PriceDefined


class Unit(NamedTuple):
    """A line, and the price it names: one segment holds both, the price before the line."""

    line: bytes
    price: Price | None

    @property
    def bytes_max(self) -> int:
        """What it may take: whether the price must be defined is known when it is written."""
        return len(self.line) + (0 if self.price is None else PRICE_BYTES_MAX)


class Pages:
    """
    The active segment, the allocated ones after it, and the account of their room.

    ``room`` counts the bytes that these can take for certain, less what callers have set aside by
    lowering it. A segment's last ``UNIT_BYTES_MAX`` bytes are never counted, since a unit that
    does not fit leaves them empty. So while ``room`` is not negative, what was set aside has a
    place. ``defined`` names the prices that the active segment defines.
    """

    def __init__(self, process: str, keeper: Keeper, clock: Clock, limits: Limits) -> None:
        self.room = 0
        self.defined: set[str] = set()
        self._process = process
        self._keeper = keeper
        self._clock = clock
        self._limits = limits
        self._spares: deque[Segment] = deque()
        self._segment = keeper.active
        self._at = self._begin(keeper.active)
        self.room += self._usable(keeper.active)

    def write(self, pending: list[Unit]) -> None:
        """
        Hand all of ``pending`` to the kernel; each unit leaves the list once it is written.

        Room is lowered by each unit's ``bytes_max`` before; what it did not take is given back.

        Raises:
            OSError: The kernel refuses; what is left in ``pending`` is not written.
        """
        if len(pending) == 1 and self._write_alone(pending):
            return
        self._write_what_fits(pending)
        while pending:
            self._rotate()
            self._write_what_fits(pending)

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

    def _write_alone(self, pending: list[Unit]) -> bool:
        """Write a single unit that needs no definition, as nearly all do; False: not this way."""
        line, price = pending[0]
        end = self._at + len(line)
        if end > self._segment.size or not (price is None or price.id in self.defined):
            return False
        written = os.pwrite(self._segment.descriptor, line, self._at)
        if written != len(line):
            write_all(self._segment.descriptor, line[written:], self._at + written)
        pending.clear()
        if price is not None:
            self.room += PRICE_BYTES_MAX
        self._wrote(end)
        return True

    def _write_what_fits(self, pending: list[Unit]) -> None:
        """Write as many units as this segment takes, each price before the first to name it."""
        parts: list[bytes] = []
        defining: set[str] = set()
        end, promised, count = self._at, 0, 0
        for unit in pending:
            part, price = unit.line, unit.price
            is_new = price is not None and not (price.id in self.defined or price.id in defining)
            if price is not None and is_new:
                part = frame(PriceDefined(price)) + part
            if end + len(part) > self._segment.size:
                break
            if price is not None:
                defining.add(price.id)
            parts.append(part)
            end += len(part)
            promised += unit.bytes_max
            count += 1
        if not count:
            return
        write_all(self._segment.descriptor, b"".join(parts), self._at)
        del pending[:count]
        self.defined |= defining
        self.room += promised - (end - self._at)
        self._wrote(end)

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
        self.defined = set()

    def _lost_by_leaving(self) -> int:
        """Return the counted room left behind; negative when less than the margin is left."""
        return self._segment.size - self._at - UNIT_BYTES_MAX

    def _begin(self, segment: Segment) -> int:
        header = self._header(segment)
        write_all(segment.descriptor, header, 0)
        return len(header)

    def _usable(self, segment: Segment) -> int:
        return segment.size - len(self._header(segment)) - UNIT_BYTES_MAX

    def _header(self, segment: Segment) -> bytes:
        return frame(SegmentBegan(FORMAT_VERSION, self._process, segment.number))
