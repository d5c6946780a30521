"""The journal: what a call owes the ledger, on file before it leaves and again when it ends."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from meterr.core.clock import Clock
from meterr.core.errors import Invalid, Unavailable
from meterr.core.ids import IdFactory
from meterr.ledger.journal import folder
from meterr.ledger.journal.keeper import Keeper
from meterr.ledger.journal.limits import (
    LINE_BYTES_MAX,
    OPENED_BYTES_MAX,
    PRICE_BYTES_MAX,
    PROMISE_BYTES,
    SETTLED_BYTES_MAX,
    TEXT_CHARS_KEPT,
    Durability,
    Limits,
)
from meterr.ledger.journal.pages import Pages
from meterr.ledger.journal.record import fitted, frame
from meterr.ledger.journal.space import make_segment
from meterr.ledger.model import Opened, Price, PriceDefined, Progress, Settled

_RETRY_AFTER_S = 5


class JournalFull(Unavailable):
    """The ledger cannot promise to remember this call, so the call must not leave."""

    code = "journal-full"


class Journal:
    """
    The append-only record of one process's calls. One thread, or one event loop, at a time.

    Every open call has ``PROMISE_BYTES`` set aside in segments that are already allocated, so its
    ``settled`` always has a place. After each change of segment prices are defined again, so that
    one lost segment does not cost all later ones their prices.
    """

    def __init__(
        self,
        path: Path,
        lock: int,
        keeper: Keeper,
        *,
        clock: Clock,
        limits: Limits,
        durability: Durability,
    ) -> None:
        self.path = path
        self.durability = durability
        self._lock = lock
        self._keeper = keeper
        self._clock = clock
        self._retry_s = limits.retry_s
        self._pages = Pages(path.name, keeper, clock, limits)
        self._open: set[str] = set()
        self._defined: set[str] = {""}
        self._rotations = 0
        self._pending: list[bytes] = []
        self._scheduled = False
        self._failing = False  # the last write failed; what is pending is tried again
        self._full = False  # the last attempt to get room failed
        self._retry_at = 0.0

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        clock: Clock,
        ids: IdFactory,
        limits: Limits | None = None,
        durability: Durability = Durability.PROCESS,
    ) -> Self:
        """
        Claim a new folder under ``root`` and take the room for the first segments.

        Raises:
            JournalFull: There is no room even for the first segment.
            OSError: ``root`` cannot be made or written.
        """
        limits = limits or Limits()
        path, lock = folder.claim(root, ids)
        make = partial(
            make_segment,
            root,
            path,
            size=limits.segment_bytes,
            total_bytes_max=limits.total_bytes_max,
        )
        try:
            keeper = Keeper(make, limits, clock, make(1))
            journal = cls(path, lock, keeper, clock=clock, limits=limits, durability=durability)
        except OSError as error:
            folder.abandon(path, lock)
            raise _full(error) from error
        keeper.start()
        return journal

    def opened(self, record: Opened, price: Price | None = None) -> None:
        """
        Record that a call is about to leave. When this returns, the record survives ``kill -9``.

        ``price`` is the one that ``record.price`` names; hand it over on every call. Everything
        pending is written along. Waits for no disk: see ``durable``.

        Raises:
            JournalFull: 503; the call must not leave. Calls already open are not affected.
            Invalid: A text is longer than a journal line holds, or is not Unicode.
            ValueError: The id is open already, or ``price`` is missing or too large.
        """
        lines = [_framed_opened(record)]
        if record.price not in self._defined:
            lines.insert(0, _framed_price(record.price, price))
        if record.id in self._open:
            raise ValueError(f"call {record.id} is open already")
        need = PROMISE_BYTES + sum(map(len, lines))
        if self._keeper.attention or self._failing or need > self._pages.room:
            self._make_room(need)
        self._pages.room -= need
        self._pending += lines
        self._defined.add(record.price)
        try:
            self._write_pending()
        except OSError as error:
            self._take_back(lines)
            self._write_failed()
            raise _full(error) from error
        self._open.add(record.id)

    def progress(self, record: Progress) -> None:
        """Record how far a stream has come: it helps estimates, and is left out without room."""
        try:
            line = frame(record)
        except (UnicodeEncodeError, OverflowError):
            return
        if len(line) <= min(self._pages.room, LINE_BYTES_MAX):
            self._pages.room -= len(line)
            self._pending += [line]
            self._write_later()

    def settled(self, record: Settled, price: Price | None = None) -> None:
        """
        Record how a call ended. When this returns, the end of an opened call survives ``kill -9``.

        So a caller who is answered after it holds what the ledger says. A call that was never
        opened (it was refused) is written when this turn of the loop ends. Never fails for a call
        that was opened: its room is set aside, and free text that would pass it is cut. ``price``
        is the one ``record.price`` names, when it is not that of ``opened``.

        Raises:
            JournalFull: The call was never opened (it was refused) and there is no room to say so.
        """
        lines = [_framed_settled(record)]
        if price is not None and record.price not in self._defined:
            definition = frame(PriceDefined(price))
            if len(definition) <= PRICE_BYTES_MAX:  # else the entry keeps its cost, and names it
                lines.insert(0, definition)
                self._defined.add(record.price)
        size = sum(map(len, lines))
        was_open = record.id in self._open
        if was_open:
            self._open.discard(record.id)
            self._pages.room += PROMISE_BYTES
        elif size > self._pages.room:
            self._make_room(size)
        self._pages.room -= size
        self._pending += lines
        if not was_open or not self._write_or_keep():
            self._write_later()

    def flush(self) -> None:
        """Write all that is pending; raises OSError when the kernel refuses, and keeps it."""
        if self._pending:
            self._write_pending()

    async def durable(self) -> None:
        """
        Wait until all that was recorded so far is as durable as this journal was asked to make it.

        Raises:
            JournalFull: The disk does not sync. The call must not leave; settle it as refused.
        """
        if self.durability is Durability.PROCESS:
            return
        try:
            self.flush()
            await self._keeper.synced_up_to(self._keeper.written)
        except OSError as error:
            raise _full(error) from error

    @property
    def is_accepting(self) -> bool:
        """Whether a call would be taken now, as far as is known without trying: for /readyz."""
        if self._keeper.failure is not None or self._failing:
            return False
        return not self._full or self._pages.room >= PROMISE_BYTES + OPENED_BYTES_MAX

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return len(self._open)

    def close(self) -> None:
        """
        Write and sync what is left and let the folder go to the drain.

        Calls still open will be closed as interrupted. Raises OSError when the last write or sync
        fails.
        """
        try:
            self.flush()
        finally:
            self._pages.close()
            os.close(self._lock)
        if self._keeper.failure is not None:
            raise self._keeper.failure

    def _write_later(self) -> None:
        if self._scheduled:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_or_keep()
            return
        self._scheduled = True
        loop.call_soon(self._end_of_turn, loop)

    def _end_of_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        if self._pending and not self._write_or_keep():
            self._scheduled = True
            loop.call_later(self._retry_s, self._end_of_turn, loop)

    def _write_or_keep(self) -> bool:
        try:
            self._write_pending()
        except OSError:  # kept pending and tried again; new calls are refused until it is written
            self._write_failed()
            return False
        return True

    def _write_pending(self) -> None:
        self._pages.write(self._pending)
        if self._pages.rotations != self._rotations:
            self._forget_definitions()

    def _forget_definitions(self) -> None:
        self._rotations = self._pages.rotations
        self._defined = {""}

    def _take_back(self, lines: list[bytes]) -> None:
        """Forget the last ``lines`` that were appended, as far as they are not written."""
        self._pages.room += PROMISE_BYTES
        for line in reversed(lines):
            if self._pending and self._pending[-1] is line:
                self._pending.pop()
                self._pages.room += len(line)
        self._defined = {""}

    def _write_failed(self) -> None:
        self._failing = True
        self._retry_at = self._clock.monotonic() + self._retry_s

    def _make_room(self, need: int) -> None:
        """Get ``need`` bytes of room, or refuse. Also where the keeper's word is heard."""
        keeper, pages = self._keeper, self._pages
        if keeper.failure is not None:
            raise _full(keeper.failure)
        # Read again: the keeper may have failed since, and its word must not be wiped away.
        keeper.attention = keeper.failure is not None
        if (self._failing or need > pages.room) and self._clock.monotonic() < self._retry_at:
            raise _full(None)
        try:
            self.flush()
            self._failing = False
            pages.extend(need)
            self._full = False
            pages.leave_aged(need)
        except OSError as error:
            self._full = need > pages.room
            self._retry_at = self._clock.monotonic() + self._retry_s
            raise _full(error) from error
        if pages.rotations != self._rotations:
            self._forget_definitions()


def _full(error: OSError | None) -> JournalFull:
    return JournalFull(
        "The journal of the ledger cannot take another call right now; retry shortly.",
        private="" if error is None else str(error),
        retry_after_s=_RETRY_AFTER_S,
    )


def _framed_opened(record: Opened) -> bytes:
    try:
        line = frame(record)
    except UnicodeEncodeError as error:
        raise Invalid("The model name is not valid Unicode.", param="model") from error
    if len(line) > OPENED_BYTES_MAX:
        raise Invalid("The model name is too long.", param="model")
    return line


def _framed_price(name: str, price: Price | None) -> bytes:
    if price is None:
        raise ValueError(f"price {name} is not defined in this segment: hand it over")
    line = frame(PriceDefined(price))
    if len(line) > PRICE_BYTES_MAX:
        raise ValueError(f"price {name} takes {len(line)} bytes, more than {PRICE_BYTES_MAX}")
    return line


def _framed_settled(record: Settled) -> bytes:
    try:
        line = frame(record)
    except (UnicodeEncodeError, OverflowError):
        line = frame(fitted(record, TEXT_CHARS_KEPT))
    if len(line) > SETTLED_BYTES_MAX:
        line = frame(fitted(record, TEXT_CHARS_KEPT))
    if len(line) > SETTLED_BYTES_MAX:  # a refused call: the model of an opened one is not as long
        short = msgspec.structs.replace(record, model=record.model[:TEXT_CHARS_KEPT])
        line = frame(fitted(short, TEXT_CHARS_KEPT))
    if len(line) > SETTLED_BYTES_MAX:
        raise ValueError(f"call {record.id}: what names it takes {len(line)} bytes")
    return line
