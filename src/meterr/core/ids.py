"""Call ids: UUIDv7 (RFC 9562), ordered within a process though the clock may step back."""

import os
import struct
from collections.abc import Callable

from meterr.core.clock import Clock

_VARIANT = 0b10 << 62
_TAIL_BITS = 32
_COUNTER_BITS = 30
_STEP = 1 << _TAIL_BITS
_LOW_BITS = 48
_LOW = (1 << _LOW_BITS) - 1
_END = _VARIANT + (1 << (_TAIL_BITS + _COUNTER_BITS))
_HELD_MS_MAX = 2 * 60 * 60 * 1000
"""How far the clock may step back with ids still rising. Beyond it the time before was the wrong
one (a blip into the future), and to hold on to it would misdate every call from now on."""

_TAILS = struct.Struct("1024I")


class IdFactory:
    """
    Mint UUIDv7 strings in strictly rising order.

    Below the time come 12 random bits, a 30-bit counter that starts at random in the lower half of
    its range, and 32 fresh random bits; the first two are drawn anew in each millisecond. When the
    clock steps back by up to two hours the last time stays in use, so ids do not run backwards.
    Not safe to share between threads; give each its own.
    """

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._randomness = randomness
        self._tails: list[int] = []
        self._last_ms = -1
        self._upper = ""  # the first half of an id: time, version, random bits
        self._lower = _END  # the second half as a number, without its tail

    def new(self) -> str:
        """Return a new id in the canonical 36-character form."""
        now_ms = self._clock.unix_ms()
        if now_ms > self._last_ms or now_ms < self._last_ms - _HELD_MS_MAX:
            self._begin(now_ms)
        self._lower += _STEP
        if self._lower >= _END:  # half a billion ids in one millisecond: borrow the next
            self._begin(self._last_ms + 1)
        lower = self._lower + self._tail()
        return f"{self._upper}-{lower >> _LOW_BITS:04x}-{lower & _LOW:012x}"

    def _begin(self, unix_ms: int) -> None:
        self._last_ms = unix_ms
        time = f"{unix_ms:012x}"
        self._upper = f"{time[:8]}-{time[8:]}-7{self._tail() & 0xFFF:03x}"
        start = self._tail() >> (_TAIL_BITS - _COUNTER_BITS + 1)
        self._lower = _VARIANT + (start << _TAIL_BITS)

    def _tail(self) -> int:
        if not self._tails:
            self._tails.extend(_TAILS.unpack(self._randomness(_TAILS.size)))
        return self._tails.pop()


def unix_ms_of(call_id: str) -> int:
    """Return the millisecond a UUIDv7 was minted in: the ledger's ``at`` is just this."""
    return int(call_id[:8] + call_id[9:13], 16)
