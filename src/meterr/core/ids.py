"""Call ids: UUIDv7 (RFC 9562), ordered within a process even when the clock steps back."""

import os
from collections.abc import Callable

from meterr.core.clock import Clock

_SEQUENCE_BITS = 42
_RANDOM_TAIL_BITS = 32
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_BATCH_BYTES = 4096


class IdFactory:
    """
    Mint UUIDv7 strings in strictly rising order.

    The 74 bits after the time are a 42-bit sequence, started at random in each millisecond, and
    32 fresh random bits. When the clock steps back the last timestamp stays in use, so ids never
    run backwards. Not safe to share between threads; give each its own.
    """

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._randomness = randomness
        self._pool = b""
        self._at = 0
        self._last_ms = 0
        self._sequence = 0

    def new(self) -> str:
        """Return a new id in the canonical 36-character form."""
        now_ms = self._clock.unix_ms()
        tail = self._random32()
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            # The top bit starts clear: 2**41 ids fit before the sequence carries over.
            self._sequence = (self._random32() << 9) & (_SEQUENCE_MASK >> 1)
        else:
            self._sequence += 1
            if self._sequence > _SEQUENCE_MASK:
                self._last_ms += 1
                self._sequence = 0
        high, low = divmod(self._sequence, 1 << 30)
        value = (
            self._last_ms << 80
            | _VERSION_7
            | high << 64
            | _VARIANT
            | low << _RANDOM_TAIL_BITS
            | tail
        )
        digits = f"{value:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _random32(self) -> int:
        if self._at >= len(self._pool):
            self._pool = self._randomness(_BATCH_BYTES)
            self._at = 0
        start = self._at
        self._at = start + 4
        return int.from_bytes(self._pool[start : start + 4])


def unix_ms_of(call_id: str) -> int:
    """Return the millisecond a UUIDv7 was minted in: the ledger's ``at`` is just this."""
    return int(call_id[:8] + call_id[9:13], 16)
