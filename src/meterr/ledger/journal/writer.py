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
from meterr.ledger.journal.pages import Pages, Unit
from meterr.ledger.journal.record import fitted, frame
from meterr.ledger.journal.space import make_segment
from meterr.ledger.model import Opened, Price, PriceDefined, Progress, Settled

_RETRY_AFTER_S = 5
_ROOM_OF_A_CALL = OPENED_BYTES_MAX + PRICE_BYTES_MAX + PROMISE_BYTES


class JournalFull(Unavailable):
    """The ledger cannot promise to remember this call, so the call must not leave."""

    code = "journal-full"


class Journal:
    """
    The append-only record of one process's calls. One thread, or one event loop, at a time.

    Every open call has ``PROMISE_BYTES`` set aside in segments that are already allocated, so its
    ``settled`` always has a place. Each segment defines the prices its records name, so that one
    lost segment, or one given back, does not cost the later ones their prices.
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
        self._open: dict[str, Price | None] = {}
        self._pending: list[Unit] = []
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
            ValueError: The id is open already, or ``price`` is missing, another, or too large.
        """
        unit = Unit(_framed_opened(record), price if record.price else None)
        if record.price and (price is None or price.id != record.price):
            raise ValueError(f"price {record.price} is not at hand: hand it over")
        if not self._is_definable(unit.price):
            raise ValueError(f"price {record.price} takes more than {PRICE_BYTES_MAX} bytes")
        if record.id in self._open:
            raise ValueError(f"call {record.id} is open already")
        need = PROMISE_BYTES + unit.bytes_max
        if self._keeper.attention or self._failing or need > self._pages.room:
            self._make_room(need)
        self._pages.room -= need
        self._pending.append(unit)
        try:
            self.flush()
        except OSError as error:
            self._pending.pop()  # written units have left the list, and this is the last one
            self._pages.room += need
            self._write_failed()
            raise _full(error) from error
        self._open[record.id] = unit.price

    def progress(self, record: Progress) -> None:
        """Record how far a stream has come: it helps estimates, and is left out without room."""
        try:
            line = frame(record)
        except (UnicodeEncodeError, OverflowError):
            return
        if len(line) <= min(self._pages.room, LINE_BYTES_MAX):
            self._pages.room -= len(line)
            self._pending.append(Unit(line, None))
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
        line = _framed_settled(record)
        was_open = record.id in self._open
        if was_open:
            known = self._open.pop(record.id)
            price = price or known
            self._pages.room += PROMISE_BYTES
        if price is not None and (price.id != record.price or not self._is_definable(price)):
            price = None  # the entry keeps its cost, and names its price
        unit = Unit(line, price)
        if not was_open and unit.bytes_max > self._pages.room:
            self._make_room(unit.bytes_max)
        self._pages.room -= unit.bytes_max
        self._pending.append(unit)
        if not was_open or not self._write_or_keep():
            self._write_later()

    def flush(self) -> None:
        """Write all that is pending; raises OSError when the kernel refuses, and keeps it."""
        if self._pending:
            self._pages.write(self._pending)

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
        return not self._full or self._pages.room >= _ROOM_OF_A_CALL

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
            self.flush()
        except OSError:  # kept pending and tried again; new calls are refused until it is written
            self._write_failed()
            return False
        return True

    def _is_definable(self, price: Price | None) -> bool:
        """Return whether a definition of ``price`` fits a line; one that was written does."""
        if price is None or price.id in self._pages.defined:
            return True
        return len(frame(PriceDefined(price))) <= PRICE_BYTES_MAX

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
